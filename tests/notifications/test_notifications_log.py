"""The alert file: one line a notification, whatever happened to the line before."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from notification_examples import example

from atmr_pipeline.notifications.errors import TemporaryNotifyError
from atmr_pipeline.notifications.log_file import LogNotifier


def test_the_file_holds_the_document_and_when_it_was_written(tmp_path, caplog):
    path = tmp_path / "home" / "alerts.jsonl"
    caplog.set_level("INFO")
    LogNotifier(path).send(example())
    LogNotifier(path).send(example("b:1", severity="info"))
    first, second = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    assert datetime.fromisoformat(first.pop("at")).tzinfo is not None
    assert first == example().to_document()
    assert second["subject_id"] == "b:1"
    assert [record.levelname for record in caplog.records] == ["CRITICAL", "INFO"]
    assert "The observed delays drift (drift:abc123:opened)" in caplog.text


def test_a_line_that_a_full_disk_cut_damages_no_other(tmp_path):
    path = tmp_path / "alerts.jsonl"
    path.write_text('{"cut": "in the mid', encoding="utf-8")
    LogNotifier(path).send(example())
    cut, whole = path.read_text(encoding="utf-8").splitlines()
    assert cut == '{"cut": "in the mid'
    assert json.loads(whole)["subject_id"] == "drift:abc123:opened"


def test_a_full_disk_is_temporary():
    with pytest.raises(TemporaryNotifyError, match="No space left") as error:
        LogNotifier(Path("/dev/full")).send(example())
    assert error.value.kind == "file"


def test_a_folder_that_cannot_be_made_is_temporary(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(TemporaryNotifyError) as error:
        LogNotifier(tmp_path / "file" / "alerts.jsonl").send(example())
    assert str(tmp_path) not in str(error.value)
