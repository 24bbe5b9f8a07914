"""Published address directories, read into one gazetteer file."""
