"""Settings: the shipped file is the defaults, and every mistake gets a sentence that names it."""

import re
import tomllib
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from core import crypto, settings
from core.hospital import HospitalFile
from core.settings import Settings, SettingsError
from core.values import e164

SHIPPED = Path(settings.__file__).parent.parent / "hospital.toml"
KEYS = {"DATA_KEY": crypto.new_data_key(), "SECRET_KEY": crypto.new_data_key()}


def load(tmp_path: Path, toml: str = "", **env: str) -> Settings:
    path = tmp_path / "hospital.toml"
    path.write_text(toml, encoding="utf-8")
    return settings.load({**KEYS, "CARECALL_HOME": str(tmp_path / "home"), "HOSPITAL_FILE": str(path), **env})


def problems(tmp_path: Path, toml: str = "", **env: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, toml, **env)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_the_shipped_file_is_exactly_the_defaults() -> None:
    assert HospitalFile.model_validate(tomllib.loads(SHIPPED.read_text(encoding="utf-8"))) == HospitalFile()


def test_the_shipped_file_shows_every_value() -> None:
    """Every setting of every section stands in the file, each with a comment above it."""
    written = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    for section, field in HospitalFile.model_fields.items():
        if section == "speech":
            assert {key: set(table) for key, table in written[section].items()} == {
                language: {"engine", "model", "listen_below"} for language in ("zh-CN", "en")
            }
            continue
        model: Any = field.annotation
        tables = {"procedure", "wave", "department"}
        names = {inner.alias or name for name, inner in model.model_fields.items()} - tables
        assert set(written[section]) == names
        for name in names:
            line = next(i for i, text in enumerate(lines) if text.startswith(f"{name} = "))
            assert lines[line - 1].startswith("# "), name
    assert '# [followup.procedure."' in "\n".join(lines)
    assert '# [followup.wave."' in "\n".join(lines)
    assert '# [escalation.department."' in "\n".join(lines)


def test_the_examples_of_the_shipped_file_are_right() -> None:
    """What stands there after a # as an example may be used by taking the # away."""
    text = SHIPPED.read_text(encoding="utf-8")
    example = text[text.index('# [followup.wave."30d"]') : text.index("[sms]")]
    shown = [line[2:] for line in example.splitlines() if re.match(r"# (\[|\w+ = )", line)]
    policy = HospitalFile.model_validate(tomllib.loads("\n".join(shown))).followup.policy
    assert policy("hernia repair", "7d") == (3, "nurse", 7, ("wound", "fever"))
    assert policy("another", "30d") == (5, "doctor", 5, ("healed", "satisfaction"))


def test_defaults(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert loaded.database_url is None
    assert (loaded.host, loaded.port) == ("127.0.0.1", 8000)
    assert not loaded.test_clock
    assert not loaded.webhooks_open
    assert loaded.auth_tokens == ()
    assert str(loaded.hospital.timezone) == "Asia/Shanghai"
    assert not loaded.hospital.live
    assert loaded.calling.window == ((time(8, 30), time(12)), (time(14), time(20, 30)))
    assert loaded.hotline.night == (time(21), time(8))
    assert [wave.name for wave in loaded.followup.waves] == ["6h", "48h", "7d", "30d", "90d"]
    assert loaded.followup.waves[3].after == timedelta(days=30)
    assert (loaded.escalation.promise_s, loaded.escalation.chain) == (300, ("1", "2", "head", "president"))
    assert (loaded.qa.second_share, loaded.qa.dispute_days, loaded.qa.money) == (0.1, 3, 0)
    assert loaded.qa.pass_mark == 90
    assert {lang: speech.engine for lang, speech in loaded.speech.items()} == {"zh-CN": "auto", "en": "auto"}


def test_the_default_home_is_var_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = settings.load(KEYS)
    assert loaded.home == tmp_path / "var"
    assert loaded.hospital_file == SHIPPED  # none here, so the one that came with the program


def test_a_full_file(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        """
        [hospital]
        name = "Example"
        alias = { en = "the clinic" }
        languages = ["en"]
        timezone = "Europe/Paris"
        operator = "+1 555 555 0100"
        allow_numbers = ["+86 138 0000 0001", "+15550100123"]
        [calling]
        calls_per_second = 2
        [followup]
        waves = ["12h", "3d"]
        [followup.procedure."hernia repair"]
        waves = ["6h"]
        [followup.procedure."knee"]
        threshold = 6
        [[hotline.theme]]
        from = 2027-04-01
        until = 2027-04-30
        say = { en = "The allergy clinic" }
        [speech.en]
        engine = "vosk"
        """,
    )
    assert loaded.hospital.spoken_name("en") == "Example"
    assert loaded.hospital.spoken_alias("zh-CN") == "the clinic"
    assert loaded.hospital.operator == "+15555550100"
    assert loaded.hospital.allow_numbers == ("+8613800000001", "+15550100123")
    assert loaded.calling.calls_per_second == 2.0
    assert [wave.after for wave in loaded.followup.waves_for("knee")] == [
        timedelta(hours=12),
        timedelta(days=3),
    ]
    assert [wave.name for wave in loaded.followup.waves_for("hernia repair")] == ["6h"]
    assert (loaded.followup.policy("knee", "48h").threshold, loaded.followup.policy("other", "48h").threshold) == (6, 4)
    theme = loaded.hotline.theme_on(date(2027, 4, 30))
    assert theme is not None
    assert theme.spoken("en") == "The allergy clinic"
    assert loaded.hotline.theme_on(date(2027, 5, 1)) is None
    assert (loaded.speech["en"].engine, loaded.speech["zh-CN"].engine) == ("vosk", "auto")


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[callin]\nlines = 3", "[callin] is not a known name (did you mean calling?)"),
        ("[calling]\nlinse = 3", "[calling] linse is not a known name (did you mean lines?)"),
        ('[calling]\nlines = "3"', '[calling] lines is "3"; it must be a whole number from 1 to 1000.'),
        ("[calling]\nlines = 2", "lines_reserved is 2 and lines is 2: lines must be greater"),
        ("[calling]\nlines_reserved = -1", "[calling] lines_reserved is -1"),
        (
            "[calling]\ncalls_per_second = 0.0",
            "[calling] calls_per_second is 0.0; it must be a number above 0",
        ),
        ('[calling]\nwindow = ["8:30-12:00"]', "[calling] window, item 1: '8:30-12:00' is not a span"),
        ('[calling]\nwindow = ["20:30-08:30"]', "'20:30-08:30' must end after it begins"),
        ('[calling]\nwindow = ["08:00-12:00", "11:00-13:00"]', "two spans of window overlap"),
        ("[calling]\nwindow = []", "[calling] window is []; it must be a list of spans"),
        ('[hospital]\ntimezone = "Mars/Olympus"', "'Mars/Olympus' is not a known time zone"),
        ('[hospital]\ntimezone = "../etc/passwd"', "is not a known time zone"),
        ('[hospital]\nlanguages = ["zh-CN", "fr"]', '[hospital] languages, item 2 is "fr"; it must be'),
        ('[hospital]\nlanguages = ["en", "en"]', "languages names a language twice"),
        ('[hospital]\nname = { en = "Example" }', "name has no text for zh-CN"),
        ('[hospital]\nname = { fr = "Exemple", en = "a", "zh-CN" = "b" }', "name has a text for fr"),
        ("[hospital]\nemergency = 120", "[hospital] emergency is 120; it must be 2 to 8 digits, as a text."),
        ("[hospital]\nlive = 1", "[hospital] live is 1; it must be true or false."),
        ('[hospital]\noperator = "5550100"', "[hospital] operator: '5550100' is not a telephone number"),
        ('[hospital]\nallow_numbers = ["+15555"]', "[hospital] allow_numbers: '+15555' has the wrong length"),
        ('[followup]\nwaves = ["48h", "6h"]', "the waves must be in order"),
        ('[followup]\nwaves = ["48h", "2d"]', "the waves must be in order"),
        ('[followup]\nwaves = ["soon"]', "'soon' is not a time after the operation"),
        ("[followup]\nwaves = []", "[followup] waves is []"),
        ("[followup]\nthreshold = 0", "[followup] threshold is 0; it must be a whole number from 1 to 10."),
        ("[followup.procedure.knee]\nthreshold = 11", "[followup] procedure.knee.threshold is 11"),
        ("[followup.procedure.knee]\nwawes = []", "did you mean waves?"),
        ('[followup.wave."9d"]\nthreshold = 5', "wave.9d is about a wave that no patient has"),
        (
            '[followup.procedure.knee]\nwaves = ["6h"]\n[followup.procedure.knee.wave."7d"]\nthreshold = 5',
            "procedure.knee.wave.7d",
        ),
        ('[followup.wave."7d"]\nresponder = "cleaner"', 'it must be "doctor" or "nurse"'),
        ('[followup.procedure.knee]\nbatch = "5 pm"', "'5 pm' is not a time of the day"),
        ('[calling]\nholiday_window = ["08:00-10:00", "09:00-11:00"]', "two spans of holiday_window overlap"),
        ('[calling]\nholidays = "china"', "[calling] holidays"),
        ('[sms]\nquiet = "9pm"', "is not a span of the day"),
        ('[reminders]\nchannel = "fax"', '[reminders] channel is "fax"'),
        ("[escalation]\ntalk_s = 300", "talk_s is 300: it must be less than promise_s (300)"),
        ('[escalation]\nchain = ["1", "boss"]', "chain names 'boss'"),
        ('[escalation]\nchain = ["1", "1"]', "chain names a tier twice"),
        ("[hotline]\nanswer_s = [10, 3]", "the seconds must rise"),
        ('[hotline]\nnight = "21:00-21:00"', "must end after it begins"),
        ('[[hotline.theme]]\nfrom = 2027-04-01\nsay = "x"', "[hotline] theme.until, item 1 is missing"),
        (
            '[[hotline.theme]]\nfrom = 2027-04-02\nuntil = 2027-04-01\nsay = "x"',
            "until is before from",
        ),
        (
            '[[hotline.departments]]\nname = "eyes"\nsay = "Eyes"\n' * 2,
            "departments names 'eyes' twice",
        ),
        ('[hotline]\nparking = { fr = "Nord" }', "parking has a text for fr, which is not a known language"),
        ('[tickets]\npreset = "C"', '[tickets] preset is "C"; it must be "A" or "B".'),
        ("[qa]\nrandom_share = 60.0", "[qa] random_share is 60.0; it must be a number from 0 to 1."),
        ("[qa]\nweights = { tone = 100 }", "weights is not said here any more: each scorecard holds its own"),
        ("[qa]\nsecond_share = 2.0", "[qa] second_share is 2.0; it must be a number from 0 to 1"),
        ("[qa]\npass_mark = 90", "[qa] pass_mark is not a known name (did you mean pass?)"),
        ("[recordings]\nkeep_days = { ordinary = 0 }", "[recordings] keep_days.ordinary is 0"),
        ('[speech.en]\nengine = "other"', '[speech] en.engine is "other"; it must be "auto", "whisper"'),
        ('[speech.fr]\nengine = "auto"', "[speech] fr"),
        ("calling = 3", "[calling] is 3; it must be a table of settings."),
        ("[calling", "not a well-formed TOML file"),
    ],
)
def test_a_wrong_value_in_the_file_is_one_sentence(tmp_path: Path, toml: str, words: str) -> None:
    (problem,) = problems(tmp_path, toml)
    assert problem.startswith(f"{tmp_path / 'hospital.toml'}: ")
    assert words in problem
    assert problem.endswith(".")
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATABASE_URL", "mysql://u:geheim@h/d", "it must be a PostgreSQL address"),
        ("PUBLIC_URL", "hospital.example", "http:// or https://"),
        ("PUBLIC_URL", "ftp://hospital.example", "http:// or https://"),
        ("PUBLIC_URL", "https://my_host.example", "underscore"),
        ("PUBLIC_URL", "https://hospital.example/", "no slash at its end"),
        ("PUBLIC_URL", "https://hospital.example/a?b=c", "no query"),
        ("PUBLIC_URL", "https://u:p@hospital.example", "no user name"),
        ("PUBLIC_URL", "https://医院.example", "plain letters"),
        ("PUBLIC_URL", "https://hospital.example:99999", "http:// or https://"),
        ("CARRIER_URL", "127.0.0.1:8601", "http:// or https://"),
        ("TWILIO_ACCOUNT_SID", "AC123", "AC and 32 hexadecimal digits"),
        ("TWILIO_FROM", "5550100", "is not a telephone number"),
        ("TWILIO_AUTH_TOKEN_SECONDARY", "geheim", "without TWILIO_AUTH_TOKEN"),
        ("SECRET_KEY", "geheim", "needs 32"),
        ("DATA_KEY", "geheim", "carecall key"),
        ("PORT", "80a", "a whole number from 0"),
        ("PORT", "65536", "a whole number from 0"),
        ("CARECALL_TEST_CLOCK", "perhaps", "1 or 0"),
        ("CARECALL_TESTCLOCK", "1", "the name is CARECALL_TEST_CLOCK"),
        ("TWILIO_AUTH_TOKN", "geheim", "the name is TWILIO_AUTH_TOKEN"),
        ("HOSPITAL_FILE", "/nowhere/hospital.toml", "cannot be read: No such file"),
    ],
)
def test_a_wrong_variable_is_one_sentence(tmp_path: Path, name: str, value: str, words: str) -> None:
    (problem,) = problems(tmp_path, **{name: value})
    assert words in problem
    assert name.removesuffix("_FILE") in problem.upper()
    assert "geheim" not in problem


@pytest.mark.parametrize("name", ["TWILIO_REGION", "TWILIO_EDGE"])
def test_region_and_edge_do_not_go_with_a_carrier_address(tmp_path: Path, name: str) -> None:
    (problem,) = problems(tmp_path, CARRIER_URL="http://127.0.0.1:8601", **{name: "ie1"})
    assert problem.startswith(f"{name} must not be set together with CARRIER_URL")
    assert load(tmp_path, **{name: "ie1"}).carrier_url is None


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, "[calling]\nlines = 0\nring_s = 1\n[qa]\ndraw = -1", PORT="x", HOST="")
    assert len(found) == 4


def test_missing_keys_say_how_to_make_one() -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load({})
    (problem,) = caught.value.problems
    assert problem.startswith("DATA_KEY ")
    assert "`carecall key`" in problem


def test_the_console_alone_needs_the_key_of_sessions() -> None:
    assert settings.load({"DATA_KEY": KEYS["DATA_KEY"]}).secret_key is None


def test_keys_may_be_absent_where_nothing_is_read() -> None:
    loaded = settings.load({}, require_keys=False)
    with pytest.raises(SettingsError, match="DATA_KEY is not set"):
        _ = loaded.keyring


def test_webhooks_open_only_with_a_token(tmp_path: Path) -> None:
    assert not load(tmp_path, TWILIO_AUTH_TOKEN="").webhooks_open
    assert load(tmp_path, TWILIO_AUTH_TOKEN="a").auth_tokens == ("a",)
    rotating = load(tmp_path, TWILIO_AUTH_TOKEN="a", TWILIO_AUTH_TOKEN_SECONDARY="b")
    assert rotating.webhooks_open
    assert rotating.auth_tokens == ("a", "b")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_database_address_gets_our_driver(tmp_path: Path, scheme: str) -> None:
    loaded = load(tmp_path, DATABASE_URL=f"{scheme}://u:p@h:5432/carecall?sslmode=require")
    assert loaded.database_url == "postgresql+psycopg://u:p@h:5432/carecall?sslmode=require"


def test_secrets_do_not_show_in_repr(tmp_path: Path) -> None:
    shown = repr(load(tmp_path, TWILIO_AUTH_TOKEN="geheim", DATABASE_URL="postgres://u:geheim@h/d"))
    assert "geheim" not in shown
    assert KEYS["SECRET_KEY"] not in shown
    assert KEYS["DATA_KEY"] not in shown
    assert "data_key" not in shown


def test_nothing_changes_after_loading(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    with pytest.raises(AttributeError):
        loaded.home = tmp_path  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        loaded.calling.lines = 9  # type: ignore[misc]


def test_only_the_given_environment_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9999")
    assert load(tmp_path).port == 8000
    for name, value in {**KEYS, "HOSPITAL_FILE": str(SHIPPED)}.items():
        monkeypatch.setenv(name, value)
    assert settings.load().port == 9999


def test_a_folder_of_the_home_is_ours_alone(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    folder = loaded.home_dir("recordings")
    assert folder == loaded.home_dir("recordings") == tmp_path / "home" / "recordings"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_national_numbers_need_a_region() -> None:
    assert e164("138 0000 0001", "CN") == "+8613800000001"
    with pytest.raises(ValueError, match="is not a telephone number"):
        e164("138 0000 0001")
    with pytest.raises(ValueError, match="wrong length"):
        e164("+15555550100 ext. 5")


def test_the_examples_of_the_hotline_are_right() -> None:
    """What stands there after a # as an example may be used by taking the # away, in place of the empty list."""
    text = SHIPPED.read_text(encoding="utf-8")
    section = text[text.index("[hotline]\n") : text.index("[tickets]\n")]
    shown = [line[2:] for line in section.splitlines() if re.match(r"# (\[\[|(from|until|say|target|name) = )", line)]
    hotline = HospitalFile.model_validate(tomllib.loads("\n".join(shown))).hotline
    theme, department = hotline.theme_on(date(2027, 4, 15)), hotline.department("orthopaedics")
    assert theme is not None
    assert department is not None
    assert (theme.spoken("en"), department.spoken("zh-CN")) == ("The allergy clinic", "骨科")


def test_the_hospitals_own_words_by_language() -> None:
    given = {"hotline": {"parking": "Gate 2", "way": {"en": "Line 2"}}}
    hotline = HospitalFile.model_validate(given).hotline
    assert [hotline.own_words("parking", language) for language in ("en", "zh-CN")] == ["Gate 2", "Gate 2"]
    assert [hotline.own_words("way", language) for language in ("en", "zh-CN")] == ["Line 2", ""]
    assert hotline.own_words("insurance", "en") == ""
