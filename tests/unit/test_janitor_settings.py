"""The janitor's settings: precedence, accepted values, and one line for a bad one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from janitor.guard import MaxDelete
from janitor.settings import COMMAND, max_delete, parse
from registrar.cli import options, parsing
from registrar.cli.failures import SettingsError

DEFAULTS = {
    "namespace": None,
    "selector": {"managed-by": "nodeproxy-daemonset"},
    "node_label": "target-node",
    "dry_run": False,
    "grace_period": 0.0,
    "max_delete": None,
    "delete_parallel": 4,
    "output": "text",
    "metrics_port": None,
    "linger": 0.0,
    "interval": None,
    "pushgateway": None,
    "events": False,
    "timeout": 120.0,
    "kubeconfig": None,
    "context": None,
    "tls_relaxed": False,
    "log_level": "info",
    "log_format": "text",
}
# flag, text, what it means
GOOD = [
    ("namespace", "lab", "lab"),
    ("selector", "app=x", {"app": "x"}),
    ("selector", "app=x, managed-by=y", {"app": "x", "managed-by": "y"}),
    ("node-label", "example.com/node", "example.com/node"),
    ("grace-period", "0", 0.0),
    ("grace-period", "90s", 90.0),
    ("grace-period", "1h30m", 5400.0),
    ("grace-period", "500ms", 0.5),
    ("max-delete", "0", MaxDelete(0, percent=False)),
    ("max-delete", "10", MaxDelete(10, percent=False)),
    ("max-delete", "0%", MaxDelete(0, percent=True)),
    ("max-delete", "100%", MaxDelete(100, percent=True)),
    ("delete-parallel", "1", 1),
    ("delete-parallel", "64", 64),
    ("output", "json", "json"),
    ("metrics-port", "8080", 8080),
    ("interval", "10m", 600.0),
    ("pushgateway", "http://gateway:9091/", "http://gateway:9091"),
    ("pushgateway", "https://u:p%40ss@gateway/prefix", "https://u:p%40ss@gateway/prefix"),
    ("timeout", "10m", 600.0),
    ("kubeconfig", "/etc/kube", "/etc/kube"),
    ("context", "edge", "edge"),
    ("log-level", "debug", "debug"),
    ("log-format", "json", "json"),
]
BAD = [
    ("namespace", ["Lab", "a.b", "a" * 64, "-a", "a/b", " "]),
    ("selector", ["app", "app=", "=x", "a b=c", "app==x", "app!=x", "app in (x)", "a=b,", "a=b;c=d", "a=b,a=c"]),
    ("node-label", ["a b", "/x", "x/", "a" * 64, "é", "a/b/c", "x\n"]),
    ("grace-period", ["10", "-1s", "1d", "s", "1 h", "1.s", "abc", "1e3s", "90S", "9" * 400 + "h", "87841h"]),
    ("max-delete", ["-1", "half", "1.5", "101%", "%", "10 %", "10%%", "9" * 5000]),
    ("delete-parallel", ["0", "65", "-1", "1.5", "many", "9" * 5000]),
    ("output", ["yaml", "JSON", "wide"]),
    ("metrics-port", ["0", "65536", "-1", "http", "9" * 5000]),
    ("linger", ["90", "-1s"]),
    ("interval", ["0", "0s", "10", "weekly"]),
    ("timeout", ["0", "0s", "0ms", "120", "soon"]),
    ("log-level", ["INFO", "trace", "10"]),
    ("log-format", ["xml", "Text"]),
]
SWITCHES = ["dry-run", "tls-relaxed", "events"]


def env(flag: str) -> str:
    return "JANITOR_" + flag.upper().replace("-", "_")


def key(flag: str) -> str:
    return flag.replace("-", "_")


def test_defaults_are_the_documented_ones() -> None:
    assert vars(parse([], {})) == DEFAULTS


@pytest.mark.parametrize(("flag", "text", "expected"), GOOD)
def test_a_flag_and_its_variable_mean_the_same(flag: str, text: str, expected: object) -> None:
    meant = DEFAULTS | {key(flag): expected}
    assert vars(parse([f"--{flag}", text], {})) == meant
    assert vars(parse([f"--{flag}={text}"], {})) == meant
    assert vars(parse([], {env(flag): text})) == meant


@pytest.mark.parametrize(("flag", "text"), [(flag, text) for flag, text, _ in GOOD if flag != "pushgateway"])
def test_settings_in_the_log_can_be_given_again(flag: str, text: str) -> None:
    settings = parse([f"--{flag}={text}"], {})
    assert parse(options.shown(COMMAND, settings).split(), {}) == settings


@pytest.mark.parametrize(("flag", "text"), [(flag, text) for flag, texts in BAD for text in texts])
def test_a_bad_value_is_reported_with_the_flag_or_variable_that_has_it(flag: str, text: str) -> None:
    for argv, environ, name in (([f"--{flag}={text}"], {}, f"--{flag}"), ([], {env(flag): text}, env(flag))):
        with pytest.raises(SettingsError) as caught:
            parse(argv, environ)
        assert str(caught.value).startswith(f"bad setting {name}: {text!r}: ")
        assert caught.value.exit_code == 2


@pytest.mark.parametrize("flag", SWITCHES)
def test_a_switch_takes_no_value_as_a_flag_and_true_or_false_as_a_variable(flag: str) -> None:
    assert vars(parse([f"--{flag}"], {}))[key(flag)] is True
    for text, expected in (("true", True), ("True", True), ("1", True), ("false", False), ("0", False)):
        assert vars(parse([], {env(flag): text}))[key(flag)] is expected
    assert vars(parse([f"--{flag}"], {env(flag): "false"}))[key(flag)] is True
    with pytest.raises(SettingsError, match=f"{env(flag)}: 'yes': neither true nor false"):
        parse([], {env(flag): "yes"})


def test_a_flag_wins_over_its_variable_even_over_a_bad_one() -> None:
    assert parse(["--grace-period", "1h"], {"JANITOR_GRACE_PERIOD": "2h"}).grace_period == 3600
    assert parse(["--grace-period", "1h"], {"JANITOR_GRACE_PERIOD": "later"}).grace_period == 3600


def test_an_empty_variable_counts_as_unset_but_an_empty_flag_does_not() -> None:
    assert vars(parse([], {env(flag): "" for flag, _, _ in GOOD})) == DEFAULTS
    with pytest.raises(SettingsError, match="--max-delete"):
        parse(["--max-delete", ""], {})


def test_variables_with_another_prefix_are_ignored() -> None:
    assert vars(parse([], {"GRACE_PERIOD": "1h", "REGISTRAR_TIMEOUT": "1h", "janitor_output": "json"})) == DEFAULTS


@pytest.mark.parametrize("argv", [["--grace", "1h"], ["--bogus"], ["--namespace"], ["-n", "x"]])
def test_an_unknown_or_shortened_flag_is_refused_by_name(argv: list[str]) -> None:
    with pytest.raises(SettingsError, match=argv[0]) as caught:
        parse(argv, {})
    assert "\n" not in str(caught.value)


# ---- what goes with what


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--linger=90s"], "bad setting --linger: there is nothing to serve without --metrics-port"),
        (
            ["--linger=90s", "--metrics-port=8080", "--interval=10m"],
            "bad setting --linger: it is for a single run, and --interval keeps running anyway",
        ),
        (["--max-delete=half"], "bad setting --max-delete: 'half': neither a number nor a share from 0% to 100%"),
        (["--delete-parallel=0"], "bad setting --delete-parallel: '0': not a number from 1 to 64"),
    ],
)
def test_a_bad_setting_is_one_line_with_the_reason(argv: list[str], line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(argv, {})
    assert str(caught.value) == line


@pytest.mark.parametrize(("interval", "budget"), [("10m", 120.0), ("1m", 120.0), ("30s", 60.0)])
def test_with_an_interval_a_run_has_at_most_two_intervals(interval: str, budget: float) -> None:
    assert parse(["--interval", interval], {}).run_timeout == budget


@pytest.mark.parametrize(
    "url",
    [
        "gateway:9091",
        "ftp://u:secret@x",
        "http://u:secret@",
        "http://u:secret@x:port",
        "http://u:secret@[x",
        "http://u:secret@x?y",
        "http://u:/secret@x",  # the host would be u
        "http://u:12/secret@x:9091",
        "http://u:secret\udcff@x",  # a byte that is not UTF-8, as Python reads the environment
    ],
)
def test_a_bad_url_is_never_printed(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse([], {"JANITOR_PUSHGATEWAY": url})
    reason = "not a URL such as http://pushgateway:9091 (percent-encode its user and password)"
    assert str(caught.value) == f"bad setting JANITOR_PUSHGATEWAY: {reason}"


# ---- what the texts mean


@given(st.integers(0, 10**5), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_durations_add_up_in_any_unit(hours: int, minutes: int, seconds: int, milliseconds: int) -> None:
    hours %= 1000
    text = f"{hours}h{minutes}m{seconds}s{milliseconds}ms"
    assert parsing.duration(text) == pytest.approx(hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)


@given(st.text(max_size=12))
def test_any_text_is_a_duration_of_at_least_zero_or_refused(text: str) -> None:
    try:
        assert parsing.duration(text) >= 0
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017 - both ends are fine


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_number_is_a_limit_regardless_of_the_cluster(number: int, known: int) -> None:
    assert max_delete(str(number)).of(known) == number


@given(st.integers(0, 100), st.integers(0, 10**6))
def test_a_percentage_is_never_exceeded(percent: int, known: int) -> None:
    limit = max_delete(f"{percent}%").of(known)
    assert 0 <= limit * 100 <= known * percent < (limit + 1) * 100


@given(st.text(max_size=12))
def test_any_text_is_a_limit_or_refused(text: str) -> None:
    try:
        limit = max_delete(text)
    except ValueError:
        return
    assert limit.number >= 0
    assert limit.number <= 100 or not limit.percent
