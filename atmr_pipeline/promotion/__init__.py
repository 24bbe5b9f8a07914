"""What may become the champion, who said so, and how to go back."""
