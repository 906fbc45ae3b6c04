"""From the text of a form to sources."""

from pathlib import Path

import pytest

from airflow_carbon.core.errors import InputError, InvalidOptionError
from airflow_carbon.services.registry import Options


def names(extra):
    return [source.name for source in Options.parse(extra).open()]


def test_an_empty_form_gives_typical_days():
    assert names({}) == ["typical"]
    assert names({"sources": "", "replay_file": "", "replay_speed": None}) == ["typical"]


def test_a_file_alone_is_replayed_with_typical_days_below():
    assert names({"replay_file": "/data/week.csv"}) == ["replay:week.csv", "typical"]


def test_the_order_is_that_of_the_form():
    assert names({"sources": "typical, replay"}) == ["typical", "replay:typical"]


def test_a_file_in_the_home_folder_is_found():
    replay, _ = Options.parse({"replay_file": "~/x.csv"}).open()

    assert replay.file == Path.home() / "x.csv"


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (
            {"sources": "watttyme"},
            "sources='watttyme'.*there are typical, replay, electricity_maps",
        ),
        ({"sources": ","}, "name one or more of typical, replay"),
        ({"sources": "replay", "replay_speed": "fast"}, "replay_speed='fast'"),
        ({"sources": "replay", "replay_speed": "0"}, "a positive number"),
        ({"sources": "replay", "replay_starts_at": "2026-01-01"}, "replay_starts_at="),
        ({"sources": "electricity_maps"}, "electricity_maps_token=.*paste the key"),
        ({"sources": "watttime", "watttime_username": "me"}, "watttime_password="),
        ({"sources": "carbon_aware_sdk"}, "carbon_aware_sdk_url="),
        ({"archive_issues": "maybe"}, "write true or false"),
        ({"archive_days": "-1"}, "archive_days=-1.0 can't be"),
        (
            {"electricity_maps_token": "x", "electricity_maps_granularity": "daily"},
            "electricity_maps_granularity='daily'.*write one of",
        ),
    ],
)
def test_a_field_that_can_not_be_is_named_with_the_remedy(extra, says):
    with pytest.raises(InputError, match=says):
        names(extra)


def test_a_name_that_is_no_source_is_an_option_error():
    with pytest.raises(InvalidOptionError):
        names({"sources": "nobody"})


def test_a_package_outside_adds_a_source(tmp_path, monkeypatch):
    (tmp_path / "windfarm.py").write_text(
        "from airflow_carbon.services.typical import Typical\n"
        "def build(settings):\n"
        "    return Typical(name='windfarm-' + settings.needed('key', 'paste the key'))\n"
    )
    info = tmp_path / "windfarm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: windfarm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[airflow_carbon.services]\nwindfarm = windfarm:build\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert names({"sources": "windfarm", "windfarm_key": "abc"}) == ["windfarm-abc"]
    with pytest.raises(InvalidOptionError, match=r"windfarm_key=.*paste the key"):
        names({"sources": "windfarm"})
    with pytest.raises(InvalidOptionError, match="carbon_aware_sdk, windfarm"):
        names({"sources": "wundfarm"})
