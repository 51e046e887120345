"""Backups of running and stopped servers, and the check of a data folder."""

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from feedrank.v1.types_pb2 import Post
from google.protobuf.message import DecodeError

from ranker import consent, entries, snapshot
from ranker.archive import Archive
from ranker.backup import _digest, back_up, restore
from ranker.check import Finding, check
from ranker.consent import ConsentSettings
from ranker.errors import BackupError, InvalidArgument, NotFound
from ranker.fold.erasure import Erased
from ranker.journal import Entry, now_ms
from ranker.privacy import gone
from ranker.privacy.redaction import Redaction
from ranker.seen import KEY, key_of
from ranker.service import Service
from ranker.settings import Settings
from ranker.state import NONE
from ranker.valkey import EmbeddedValkey
from ranker.vectorizer import EmbedderSettings
from tests.live import within
from tests.ranker.histories import DIMENSION, FEW, records
from tests.ranker.histories import history as random_history
from tests.ranker.test_cli import feedrank as command


def settings_of(data: Path) -> Settings:
    return Settings(data=data, embedder=EmbedderSettings(enabled=False, dimension=DIMENSION), state=FEW)


def fingerprint(data: Path) -> str:
    with Service(settings_of(data)) as service:
        return service.state.fingerprint()


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that runs, with two snapshots, an archive, and entries after both."""
    with Service(settings_of(tmp_path_factory.mktemp("life") / "data")) as service:
        for number, entry in enumerate(random_history(seed=5, count=90, erasing=False)):
            position = service.journal.append(entry)
            if number in (30, 60):
                assert service.follower.wait_for(position, 5)
                service.upkeep.save()
        assert service.follower.wait_for(position, 5)
        (service.settings.data / "models" / "m1").mkdir(parents=True)
        (service.settings.data / "models" / "m1" / "note").write_text("not a bundle")
        yield service


@pytest.fixture(scope="module")
def saved(living: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its backup, taken while it runs."""
    target = tmp_path_factory.mktemp("backups") / "one.tar"
    manifest = back_up(living.settings, target)
    assert manifest["position"] == living.state.position
    return target


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    """The backup's data, restored."""
    restore(saved, tmp_path / "data")
    return tmp_path / "data"


def test_a_backup_of_a_running_server_comes_back_bit_for_bit(living: Service, copied: Path) -> None:
    assert fingerprint(copied) == living.state.fingerprint()
    assert (copied / "models" / "m1" / "note").read_text() == "not a bundle"


def test_a_restored_server_goes_on_with_new_entries(copied: Path) -> None:
    for name in ("first", "second"):
        with Service(settings_of(copied)) as service:
            before = service.state.position
            entry = random_history(seed=6, count=1, erasing=False)[0]
            position, visible = service.writer.write(entry)
            assert visible, name
            assert service.state.position == position != before
            service.upkeep.save()


def test_a_stopped_folder_is_backed_up_too_and_its_valkey_stopped_again(copied: Path, tmp_path: Path) -> None:
    before = fingerprint(copied)
    back_up(settings_of(copied), tmp_path / "folder")
    restore(tmp_path / "folder", tmp_path / "again")
    assert not (copied / "journal" / "valkey.sock").exists()
    assert fingerprint(tmp_path / "again") == before


def test_what_is_there_is_not_written_over(saved: Path, living: Service, copied: Path) -> None:
    with pytest.raises(InvalidArgument, match="is there already"):
        back_up(living.settings, saved)
    with pytest.raises(InvalidArgument, match="is there already"):
        restore(saved, copied)


def test_a_damaged_backup_is_named_and_makes_no_data_folder(living: Service, tmp_path: Path) -> None:
    back_up(living.settings, tmp_path / "backup")
    victim = next((tmp_path / "backup" / "archive").iterdir())
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    with pytest.raises(BackupError, match=victim.name):
        restore(tmp_path / "backup", tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["../beside", "/etc/beside", "archive/../../beside"])
def test_a_backup_that_names_files_elsewhere_is_refused(living: Service, tmp_path: Path, name: str) -> None:
    manifest = back_up(living.settings, tmp_path / "backup")
    manifest["files"][name] = next(iter(manifest["files"].values()))
    (tmp_path / "backup" / "manifest.json").write_text(json.dumps(manifest | {"seal": _digest(manifest)}))
    with pytest.raises(BackupError, match="lie elsewhere"):
        restore(tmp_path / "backup", tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("damage", ["torn", "no manifest", "lacking"])
def test_what_is_no_whole_backup_is_refused_with_the_repair(
    living: Service, saved: Path, tmp_path: Path, damage: str
) -> None:
    torn = tmp_path / "torn"
    if damage == "torn":
        torn.write_bytes(saved.read_bytes()[:700])
    else:
        back_up(living.settings, torn)
        (torn / "manifest.json").unlink() if damage == "no manifest" else shutil.rmtree(torn / "archive")
    with pytest.raises(BackupError, match="take another"):
        restore(torn, tmp_path / "data")


def test_a_folder_without_data_is_no_data_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="name one with --data"):
        back_up(settings_of(tmp_path), tmp_path / "target")
    with pytest.raises(NotFound, match="name one with --data"):
        list(check(settings_of(tmp_path / "nowhere")))


# what is private, and who was erased


def test_the_key_of_people_and_what_they_allow_come_back_and_nobody_else_may_read_them(
    tmp_path: Path,
) -> None:
    lived = settings_of(tmp_path / "data").model_copy(update={"consent": ConsentSettings(training="refused")})
    with Service(lived):
        key = key_of(lived.data)
        back_up(lived, tmp_path / "one.tar")
    restore(tmp_path / "one.tar", tmp_path / "new")
    assert key_of(tmp_path / "new") == key
    assert consent.of(tmp_path / "new").training == "refused"
    paths = [tmp_path / "one.tar", tmp_path / "new", tmp_path / "new" / KEY]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o600, 0o700, 0o600]


def put(service: Service, *authors: str) -> None:
    posts = [Post(id=f"p-{one}", author_id=one, text="Moss") for one in authors]
    assert service.writer.write(entries.of_posts(posts, now_ms()))[1]


def erase(service: Service, user_id: str, *, until_done: bool = True) -> None:
    position, _ = service.writer.write(entries.of_erasure(user_id, now_ms()))
    assert service.follower.wait_for(position, 5)
    if until_done:
        assert service.erasures.wait_for(position, 30).compacted


def holding(data: Path, word: bytes) -> list[str]:
    """The files in which a word is, as it is or as an archive or the log unpacks."""
    archived = [f"archive {at}" for at, payload in Archive(data / "archive").records() if word in payload]
    return archived + [str(path) for path in data.rglob("*") if path.is_file() and word in path.read_bytes()]


def test_who_was_erased_after_a_backup_is_erased_again_at_the_first_start(tmp_path: Path) -> None:
    with Service(settings_of(tmp_path / "data")) as service:
        put(service, "ana-qxk", "omar", "late-qxk")
        erase(service, "omar")
        back_up(service.settings, tmp_path / "backup")
        erase(service, "ana-qxk")
        erase(service, "late-qxk", until_done=False)
    told = restore(tmp_path / "backup", tmp_path / "new", replaced=tmp_path / "data")
    assert told["erased_again"] == 2
    with Service(settings_of(tmp_path / "new")) as service:
        assert service.state.user_ids.slots(["ana-qxk", "late-qxk"]).tolist() == [NONE, NONE]
        assert within(30, lambda: not list((tmp_path / "new" / "erasures").glob("*.due")))
        assert holding(tmp_path / "new", b"qxk") == []


def test_without_the_replaced_folder_nobody_can_say_who_was_erased(tmp_path: Path) -> None:
    with Service(settings_of(tmp_path / "data")) as service:
        put(service, "ana-qxk")
        back_up(service.settings, tmp_path / "backup")
        erase(service, "ana-qxk")
    assert restore(tmp_path / "backup", tmp_path / "new")["erased_again"] is None
    given = ("--data", str(tmp_path / "two"), "--replaces", str(tmp_path / "data"))
    said = command("restore", str(tmp_path / "backup"), *given)
    assert "1 person who was erased since" in said.stderr


def test_who_is_erased_while_a_backup_is_taken_is_erased_again(tmp_path: Path) -> None:
    with Service(settings_of(tmp_path / "data")) as service:
        put(service, "ana-qxk", "omar")

        def meanwhile(doing: str) -> None:
            if doing.startswith("models"):  # the entries are copied, the receipts not yet
                erase(service, "ana-qxk")

        back_up(service.settings, tmp_path / "backup", meanwhile)
    restore(tmp_path / "backup", tmp_path / "new")
    with Service(settings_of(tmp_path / "new")) as service:
        assert service.state.user_ids.slots(["ana-qxk"]).tolist() == [NONE]


def test_whom_an_entry_names_is_whom_a_redaction_takes_out() -> None:
    everybody = [Erased(f"u{i}", f"{2**50}-0", 2**60) for i in range(24)]
    for position, payload in records(seed=3, count=400):
        redaction = Redaction(everybody)
        redaction.redact((position, payload))
        with suppress(DecodeError):
            assert set(redaction.taken()) <= set(gone.people_of(Entry.FromString(payload)))


def test_what_is_no_data_folder_replaced_none(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is no data folder"):
        restore(saved, tmp_path / "new", replaced=tmp_path / "nowhere")


# the check


def wrong(data: Path, *, deep: bool = False) -> list[Finding]:
    return [one for one in check(settings_of(data), deep=deep) if one.repair]


def sound(data: Path) -> Path:
    """Without the folder that is no bundle."""
    shutil.rmtree(data / "models")
    return data


def test_a_running_servers_folder_is_sound_but_for_its_model(living: Service) -> None:
    (found,) = wrong(living.settings.data, deep=True)
    assert found.what == "model m1"


def test_a_restored_folder_is_sound(copied: Path) -> None:
    assert wrong(sound(copied), deep=True) == []


def test_a_damaged_snapshot_is_found(copied: Path) -> None:
    (copied / "snapshots" / snapshot.latest(copied / "snapshots") / "post.author.npy").write_bytes(b"half")
    (found,) = wrong(sound(copied))
    assert "post.author.npy" in found.told
    assert "the next start folds the archive" in found.repair


def test_a_damaged_archive_file_is_found(copied: Path) -> None:
    path = Archive(copied / "archive").files()[0]
    path.write_bytes(path.read_bytes()[:-1])
    (found,) = wrong(sound(copied), deep=True)
    assert path.name in found.told
    assert "from a backup" in found.repair


def test_a_lost_archive_file_is_found_by_the_fold(copied: Path) -> None:
    Archive(copied / "archive").files()[0].unlink()
    (found,) = wrong(sound(copied), deep=True)
    assert "is not what the archive and the journal come to" in found.told


def test_a_journal_that_was_trimmed_past_the_archive_is_found(copied: Path) -> None:
    with Service(settings_of(sound(copied))) as service:
        for entry in random_history(seed=8, count=9, erasing=False):
            position = service.journal.append(entry)
        service.journal.trim(position)
    (found,) = wrong(copied)
    assert "was trimmed" in found.told


def test_an_entry_that_nobody_can_read_is_found(copied: Path) -> None:
    valkey = EmbeddedValkey(sound(copied) / "journal")
    valkey.start()
    with redis.Redis(unix_socket_path=str(valkey.socket)) as client:
        client.xadd("feedrank:journal", {"other": "field"})
    valkey.stop()
    (found,) = wrong(copied)
    assert "1 of 1 entries can't be read" in found.told


def test_a_damaged_impressions_file_is_found_and_left_where_it_is(copied: Path) -> None:
    (copied / "impressions").mkdir(exist_ok=True)
    damaged = copied / "impressions" / "001795305600000.parquet"
    damaged.write_bytes(b"PAR1 half")
    (found,) = wrong(sound(copied))
    assert str(damaged) in found.told
    assert damaged.exists()


def test_the_commands_back_up_restore_and_check(saved: Path, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    config = tmp_path / "few.toml"
    config.write_text(
        f"[embedder]\nenabled = false\ndimension = {DIMENSION}\n[state]\nmax_posts = 20\nmax_users = 16\n"
    )
    made = command("restore", str(saved), "--data", data)
    assert made.returncode == 0
    assert "come back with it: erase them again with Privacy.EraseUser" in " ".join(made.stderr.split())
    again = command("restore", str(saved), "--data", data)
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    checked = command("check", data, "--deep", "--config", str(config), "--json")
    told = json.loads(checked.stdout)
    assert (checked.returncode, told["sound"]) == (1, False)
    assert [one["what"] for one in told["findings"] if one["repair"]] == ["model m1"]
