"""No job goes to Slurm that it would never start; what can't be told is let through."""

import getpass
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import slurm_lab
from hypothesis import given
from hypothesis import strategies as st
from small_project import Project

from weighbridge import cluster_limits, cluster_requests, cluster_waiting
from weighbridge.cluster_limits import Limits, Node, Partition, Request
from weighbridge.errors import SettingsError, SetupError
from weighbridge.views import check_cluster

REQUEST = Request(rule="train", job="seed=0", minutes=60, memory_mib=4000, cpus=2)
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
PARTITION = (
    "PartitionName={name} AllowGroups=ALL AllowAccounts={accounts} AllowQos=ALL AllocNodes=ALL Default={default} "
    "Hidden=NO MaxNodes={nodes} MaxTime={time} RootOnly=NO ReqResv=NO State={state} TotalCPUs=8 TotalNodes=4"
)
NODE = (
    "NodeName={name} Arch=x86_64 CoresPerSocket=1  CPUAlloc=0 CPUEfctv=2 CPUTot={cpus} CPULoad=0.38 Gres={gres} "
    "OS=Linux 6.1 #1 SMP @0  RealMemory={memory} State={state} ThreadsPerCore=1 Partitions={partitions}  "
    "CfgTRES=cpu=2 Reason=State=IDLE RealMemory=1 [root@2026-01-01T00:00:00]"
)
POLICY = "allocation failure: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
ASSOCIATIONS = """Current Association Manager state

Association Records

ClusterName=lab Account=lab UserName= Partition= Priority=0 ID=3
    GrpJobs=N(0) GrpSubmitJobs=2(0) GrpWall=N(0.00)
    MaxJobs= MaxSubmitJobs= MaxWallPJ=
ClusterName=lab Account=lab UserName=ada(1000) Partition= Priority=0 ID=5
    GrpJobs=N(0) GrpJobsAccrue=N(0)
    GrpSubmitJobs={group} GrpWall=N(0.00)
    MaxJobs= MaxJobsAccrue= MaxSubmitJobs={own} MaxWallPJ=100
"""


def limits(**changes: Any) -> Limits:
    """Return two partitions: one for an hour on two small nodes, one for days on a large node that has GPUs."""
    partitions = (Partition(name="short", default=True, minutes=60, most_nodes=2), Partition(name="long"))
    nodes = (
        Node(name="n1", partitions=("short",), cpus=2, memory_mib=4000),
        Node(name="n2", partitions=("short",), cpus=2, memory_mib=4000),
        Node(name="n3", partitions=("long",), cpus=64, memory_mib=256000, gpus={"a100": 4}),
    )
    whole = Limits(partitions={one.name: one for one in partitions}, nodes=nodes)
    return msgspec.structs.replace(whole, **changes)


def said(request: Request, of: Limits | None = None) -> list[str]:
    """Return the objections to a request, in words."""
    found = cluster_limits.objections(of or limits(), request)
    return [f"{each.level}: {each.found} -> {each.mend}" for each in found]


def asks(**changes: Any) -> Request:
    return msgspec.structs.replace(REQUEST, **changes)


@given(NAMES, st.none() | st.integers(1, 10**6), st.none() | st.integers(1, 10**4), st.sampled_from(["ALL", "lab"]))
def test_a_partition_is_read_as_slurm_writes_it(
    name: str, minutes: int | None, nodes: int | None, accounts: str
) -> None:
    days, rest = divmod(minutes or 0, 24 * 60)
    limit = f"{days}-{rest // 60:02}:{rest % 60:02}:00" if days else f"{rest // 60:02}:{rest % 60:02}:00"
    text = PARTITION.format(
        name=name,
        accounts=accounts,
        default="YES" if nodes else "NO",
        nodes=nodes or "UNLIMITED",
        time=limit if minutes else "UNLIMITED",
        state="UP",
    )
    expected = Partition(name=name, default=bool(nodes), minutes=minutes, most_nodes=nodes, for_all=accounts == "ALL")
    assert cluster_limits.parsed_partitions(f"{text}\n{text}\n") == (expected, expected)


@given(NAMES, st.integers(1, 512), st.integers(1, 10**7), st.lists(NAMES, max_size=3, unique=True))
def test_a_node_is_read_as_slurm_writes_it(name: str, cpus: int, memory: int, partitions: list[str]) -> None:
    """What an administrator wrote as the reason at its end isn't taken for its state or memory."""
    text = NODE.format(
        name=name, cpus=cpus, memory=memory, gres="(null)", state="MIXED+PLANNED", partitions=",".join(partitions)
    )
    expected = Node(name=name, partitions=tuple(partitions), cpus=cpus, memory_mib=memory)
    assert cluster_limits.parsed_nodes(text) == (expected,)


@pytest.mark.parametrize("state", ["DOWN", "DOWN*", "IDLE+DRAIN", "MIXED*", "IDLE+NOT_RESPONDING", "FAIL"])
def test_a_node_that_takes_no_jobs_is_known(state: str) -> None:
    text = NODE.format(name="n1", cpus=2, memory=10, gres="gpu:2", state=state, partitions="cpu")
    assert not cluster_limits.parsed_nodes(text)[0].up


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(null)", {}),
        ("gpu:2", {"": 2}),
        ("gpu", {"": 1}),
        ("gpu:a100:4(S:0-1),shard:8", {"a100": 4}),
        ("gpu:a100:2(IDX:0,1),gpu:v100:1,craynetwork:4", {"a100": 2, "v100": 1}),
        ("mps:200", {}),
    ],
    ids=["none", "number", "bare", "sockets", "two_models", "other"],
)
def test_gpus_are_counted_by_model(text: str, expected: dict[str, int]) -> None:
    assert cluster_limits.parsed_gpus(text) == expected


@pytest.mark.parametrize(
    ("request_", "found", "mend"),
    [
        (asks(minutes=240), "asks for 240 min; partition short allows at most 60", "runtime: 60; or {move} long"),
        (asks(partitions=("x",)), "partition 'x' doesn't exist", "{move} short or long"),
        (
            asks(memory_mib=8000),
            "asks for 8000 MiB of memory; no node of partition short has more than 4000",
            "mem_mb: 4000; or {move} long",
        ),
        (
            asks(cpus=8),
            "asks for 8 cores; no node of partition short has more than 2",
            "fewer threads in config/config.yaml; or {move} long",
        ),
        (
            asks(gpus=1),
            "asks for 1 GPUs; the nodes of partition short have at most 0",
            "fewer, or another partition; or {move} long",
        ),
        (
            asks(gpus=1, gpu_model="h100", partitions=("long",)),
            "asks for 1 GPUs (h100); the nodes of partition long have at most 0",
            "fewer, or another partition",
        ),
        (
            asks(gpus=5, spread=False, partitions=("long",)),
            "asks for 5 GPUs; a node of partition long has at most 4",
            "fewer, or another partition",
        ),
        (
            asks(nodes=2, partitions=("long",)),
            "asks for 2 nodes; partition long has 1",
            "fewer fit.nodes; or {move} short",
        ),
    ],
    ids=["time", "partition", "memory", "cores", "gpus", "model", "gpus_of_a_node", "nodes"],
)
def test_what_could_never_start_is_refused(request_: Request, found: str, mend: str) -> None:
    assert said(request_) == [f"never: {found} -> {mend.format(move='slurm_partition:')}"]


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST,
        asks(minutes=None, memory_mib=None),
        asks(partitions=("long",), minutes=10**6, gpus=4, gpu_model="a100", cpus=64, memory_mib=256000),
        asks(partitions=("short", "long"), minutes=240),
        asks(nodes=2),
        asks(elsewhere=True, minutes=10**6, partitions=("theirs",)),
    ],
    ids=["fits", "asks_nothing", "largest", "one_of_two", "both_nodes", "other_cluster"],
)
def test_what_fits_is_let_through(request_: Request) -> None:
    assert said(request_) == []


def test_a_cluster_that_tells_of_no_nodes_is_believed() -> None:
    assert said(asks(memory_mib=10**9), limits(nodes=())) == []
    assert said(asks(partitions=("any",)), limits(partitions={})) == []


def test_a_quality_of_service_may_lift_the_limit() -> None:
    found = said(asks(minutes=240, qos="patient"))
    assert found == ["not now: asks for 240 min; partition short allows at most 60 -> runtime: 60"]


@pytest.mark.parametrize(("state", "level"), [("DOWN", "not now"), ("DRAIN", "never"), ("INACTIVE", "never")])
def test_a_closed_partition_is_told(state: str, level: str) -> None:
    closed = {"short": Partition(name="short", default=True, state=state)}
    assert [one.level for one in cluster_limits.objections(limits(partitions=closed), REQUEST)] == [level]


def test_a_drained_node_may_come_back() -> None:
    nodes = tuple(msgspec.structs.replace(node, up=False) for node in limits().nodes)
    found = "not now: partition short has nodes for it, which are down or drained: n1, n2"
    assert said(REQUEST, limits(nodes=nodes)) == [f"{found} -> it waits until they are back; see 'sinfo -R'"]


def test_a_slurm_without_default_partition_wants_one_named() -> None:
    partitions = {"long": Partition(name="long")}
    assert said(REQUEST, limits(partitions=partitions)) == [
        "never: names no partition, and this Slurm has no default -> default-resources: slurm_partition: long"
    ]


@pytest.mark.parametrize(
    ("text", "level", "words"),
    [
        ("allocation failure: Invalid qos specification\n", "never", "Slurm refuses it: Invalid qos specification"),
        (
            f"sbatch: error: AssocMaxSubmitJobLimit\n{POLICY}\n",
            "not now",
            "Slurm takes no more jobs of yours now",
        ),
        (
            f"sbatch: error: QOSMaxWallDurationPerJobLimit\n{POLICY}\n",
            "never",
            "QOSMaxWallDurationPerJobLimit; Job violates",
        ),
        ("allocation failure: Requested node configuration is not available\n", "not now", "Slurm says: Requested"),
        ("allocation failure: something of the site's own\n", "not now", "Slurm says: something of the site's own"),
    ],
    ids=["qos", "too_many", "too_long", "nodes", "unknown"],
)
def test_a_refusal_of_slurms_is_told_apart(text: str, level: str, words: str) -> None:
    found = cluster_limits.refusal(text)
    assert found is not None
    assert found.level == level
    assert words in found.found


@pytest.mark.parametrize(
    ("own", "group", "expected"),
    [("", "N(0)", None), ("10(3)", "N(0)", 10), ("", "7(0)", 7), ("10(0)", "7(0)", 7)],
    ids=["none", "own", "group", "both"],
)
def test_the_most_jobs_of_a_user_are_known(own: str, group: str, expected: int | None) -> None:
    assert cluster_limits.parsed_most_submitted(ASSOCIATIONS.format(own=own, group=group)) == expected


def test_one_account_without_limit_leaves_the_number_open() -> None:
    text = ASSOCIATIONS.format(own="10(3)", group="N(0)")
    second = text[text.index("ClusterName=lab Account=lab UserName=ada") :].replace("=10(3)", "=")
    assert cluster_limits.parsed_most_submitted(text + second) is None


@pytest.fixture
def no_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


NOT_AVAILABLE = cluster_limits.refusal("allocation failure: Requested node configuration is not available")


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Slurm that refuses what its nodes can't do."""
    monkeypatch.setattr(cluster_limits, "asked", lambda one: NOT_AVAILABLE if (one.memory_mib or 0) > 4000 else None)


def test_slurms_own_word_on_nodes_counts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a site doesn't count memory, its nodes may say that they have 1 MiB."""
    monkeypatch.setattr(cluster_limits, "asked", lambda _: None)
    assert cluster_requests.judged(limits(), [asks(memory_mib=5000, cpus=3, gpus=1)], 100) == ()
    with pytest.raises(SettingsError, match="asks for 240 min"):
        cluster_requests.judged(limits(), [asks(memory_mib=5000, minutes=240)], 100)


def test_what_slurm_alone_objects_to_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_limits, "asked", lambda _: NOT_AVAILABLE)
    (line,) = cluster_requests.judged(limits(), [REQUEST], 100)
    assert line.startswith("  rule train (seed=0): Slurm says: Requested node configuration is not available")


@pytest.mark.usefixtures("refusing")
def test_all_problems_are_told_at_once() -> None:
    requests = [asks(job=f"seed={seed}", minutes=240) for seed in range(3)]
    requests += [asks(rule="judge", job="", memory_mib=5000), asks(rule="draw", account="lab")]
    with pytest.raises(SettingsError) as refused:
        cluster_requests.judged(limits(), requests, 100)
    *lines, last = str(refused.value).splitlines()
    assert lines == [
        "Slurm would never start what this run asks for. No job was submitted, and nothing is lost:",
        "  rule train (3 jobs, such as seed=0): asks for 240 min; partition short allows at most 60",
        "    → runtime: 60; or slurm_partition: long",
        "  rule judge: asks for 5000 MiB of memory; no node of partition short has more than 4000",
        "    → mem_mb: 4000; or slurm_partition: long",
        "  rule draw (seed=0): names account 'lab', and this Slurm keeps no accounts",
        "    → take slurm_account out",
    ]
    assert last.startswith("Write it into profiles/site/config.yaml (docs/cluster.md)")


@pytest.mark.parametrize(
    "insides",
    [{}, {"get_submit_command": str}, {"set_gres_string": str}],
    ids=["gone", "other parameters", "another one"],
)
def test_a_plugin_with_other_insides_is_done_without(
    insides: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "snakemake_executor_plugin_slurm.submit_string"
    pytest.importorskip(name)
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(**insides))
    monkeypatch.setattr(cluster_limits, "asked", lambda _: pytest.fail("asked"))
    job = SimpleNamespace(resources={"mem_mb": 5000}, rule=SimpleNamespace(name="train"), threads=1)
    found = cluster_requests.request(job, SimpleNamespace())
    assert found.options is None
    assert found.memory_mib == 5000
    (line,) = cluster_requests.judged(limits(), [asks(options=None)], 100)
    assert "can't be shown to 'sbatch --test-only'" in line
    with pytest.raises(SettingsError, match="MiB of memory"):
        cluster_requests.judged(limits(), [asks(options=None, memory_mib=5000)], 100)


@pytest.mark.usefixtures("refusing")
def test_a_last_attempt_that_fits_nowhere_is_told_beforehand() -> None:
    (line,) = cluster_requests.judged(limits(), [asks(later_mib=12000)], 100)
    found = "its last attempt asks for 12000 MiB of memory; no node of partition short has more than 4000"
    assert line == f"  rule train (seed=0): {found}\n    → mem_mb: 4000; or slurm_partition: long"


@given(st.integers(1, 10**5), st.integers(1, 5), st.integers(1, 10**5))
def test_a_retry_asks_for_no_more_than_a_node_has(first: int, attempt: int, node: int) -> None:
    requests = cluster_requests.Requests()
    assert requests.memory(first, attempt) == first * attempt
    requests._largest_mib = node
    assert requests.memory(first, 1) == first
    assert first <= requests.memory(first, attempt) <= max(first, node)
    assert requests.memory(first, attempt) == first * attempt or requests.memory(first, attempt) in {first, node}


@pytest.mark.usefixtures("refusing")
def test_a_site_that_takes_fewer_jobs_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_limits, "most_submitted", lambda: 5)
    requests = [asks(job=f"seed={seed}") for seed in range(9)]
    enforced = limits(enforced=True)
    with pytest.raises(
        SettingsError, match=r"at most 5 jobs of yours at a time, and this run submits 9 or more\n.*jobs: 5"
    ):
        cluster_requests.judged(enforced, requests, 100)
    assert cluster_requests.judged(enforced, requests, 5) == ()
    one_after_another = [asks(rule=f"rule_{number}") for number in range(9)]
    assert cluster_requests.judged(enforced, one_after_another, 100) == ()


@pytest.mark.usefixtures("no_slurm")
def test_a_machine_without_slurm_is_told_so() -> None:
    with pytest.raises(SetupError, match=r"found no Slurm on this machine.*snakemake --cores all"):
        cluster_limits.read()


def test_a_slurm_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "scontrol"
    program.write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(cluster_limits, "_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(SetupError, match=r"Slurm doesn't answer.*nothing is lost"):
        cluster_limits.read()


def test_refusals_of_a_run_are_told_once() -> None:
    error = "sbatch: error: Batch job submission failed: Invalid qos specification"
    log = f"    message: SLURM sbatch failed. The error message was '{error}'.\n    sbatch call:\n        sbatch …\n"
    first, found, _, _ = "\n".join(cluster_requests.refused(log * 3)).splitlines()
    assert first == "Slurm refused jobs of this run:"
    assert found == "  Slurm refuses it: Invalid qos specification"
    assert cluster_requests.refused("Finished jobid: 1") == ()


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("PartitionTimeLimit", "more time than its partition allows"),
        ("PartitionConfig", "more than its partition allows"),
        ("QOSMaxWallDurationPerJobLimit", "more than the site allows one job"),
        ("AssocGrpCpuLimit", "your share is used"),
        ("AssocMaxJobsLimit", "your share is used"),
        ("Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions", "sinfo -R"),
        ("ReqNodeNotAvail, UnavailableNodes:n1", "sinfo -R"),
        ("launch failed requeued held", "scontrol release"),
        ("DependencyNeverSatisfied", "scancel"),
        ("SomethingOfTomorrow", "man squeue"),
    ],
)
def test_a_reason_is_told_once_for_each_job(reason: str, words: str) -> None:
    told: dict[str, str] = {}
    text = (
        f"7|{reason}|rule_train_seed_0|/a\n8|{reason}|rule_train_seed_1|/a\n9|Priority|rule_judge|/a\n6|{reason}|x|/b\n"
    )
    found = cluster_waiting.parsed(text, Path("/a"))
    (line,) = cluster_waiting.news(found, told)
    assert line.startswith(f"job 7 (rule_train_seed_0) and 1 more waits, and Slurm says why: {reason}; ")
    assert words in line
    assert cluster_waiting.news(found, told) == ()
    assert len(cluster_waiting.news([cluster_waiting.Waiting("9", reason, "rule_judge")], told)) == 1


def wait_for(reached: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not reached():
        time.sleep(0.1)
    return reached()


@pytest.fixture
def here(slurm: slurm_lab.Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[slurm_lab.Lab]:
    """A Slurm whose partition ``spot`` allows half an hour, which this process's own commands meet."""
    for name, value in slurm.env.items():
        monkeypatch.setenv(name, value)
    slurm.run("scontrol", "update", "PartitionName=spot", "MaxTime=30")
    yield slurm
    slurm.run("scancel", "--user", getpass.getuser())


@pytest.mark.slow(seconds=9)
def test_slurm_itself_tells_what_it_has(here: slurm_lab.Lab) -> None:
    found = cluster_limits.read()
    assert {name: (one.default, one.minutes) for name, one in found.partitions.items()} == {
        "cpu": (True, here.shape.max_minutes),
        "gpu": (False, here.shape.max_minutes),
        "spot": (False, 30),
    }
    assert [(node.name, node.cpus, node.memory_mib, sum(node.gpus.values()), node.up) for node in found.nodes] == [
        (name, here.shape.cpus, here.shape.memory_mb, 2, True) for name in here.names
    ]
    assert (found.accounting, found.enforced) == (False, False)


@pytest.mark.slow(seconds=9)
def test_check_says_what_the_partitions_take(here: slurm_lab.Lab, tmp_path: Path) -> None:
    (found,) = check_cluster.cluster(tmp_path)
    lines = found.found.splitlines()
    assert found.level == "ok"
    assert re.fullmatch(r"Slurm [0-9.]+ answers; no accounts", lines[0])
    node = f"a node has up to {here.shape.cpus} cores, {here.shape.memory_mb} MiB, 2 GPUs"
    assert f"cpu (default): at most 2 d; 2 of 2 nodes up; {node}" in lines
    assert f"spot: at most 30 min; 2 of 2 nodes up; {node}" in lines


@pytest.mark.usefixtures("no_slurm")
def test_check_is_silent_where_there_is_no_slurm() -> None:
    assert list(check_cluster.cluster(Path())) == []


@pytest.mark.slow(seconds=9)
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--mem 500 -t 10", None),
        ("-p nope", "never"),
        ("--constraint nosuch", "never"),
        ("--reservation=nope", "never"),
        ("--mem 99999999", "not now"),
    ],
    ids=["fits", "partition", "constraint", "reservation", "memory"],
)
def test_slurm_itself_is_asked(here: slurm_lab.Lab, options: str, expected: str | None) -> None:
    found = cluster_limits.asked(asks(options=tuple(options.split())))
    assert (found and found.level) == expected
    assert here.run("squeue", "--noheader") == ""


@pytest.mark.slow(seconds=9)
def test_a_job_that_waits_for_ever_is_told(here: slurm_lab.Lab, tmp_path: Path) -> None:
    """Slurm takes it and says nothing; so somebody else has to."""
    lines: list[str] = []
    end = cluster_waiting.watch(tmp_path, 0.1, lines.append)
    held = ("--partition=spot", "--time=60", "--comment=rule_train", f"--chdir={tmp_path}")
    number = here.run("sbatch", "--parsable", "--output=/dev/null", *held, "--wrap", "true")
    start = f"job {number} (rule_train) waits, and Slurm says why: PartitionTimeLimit; it asks for more time"
    try:
        assert wait_for(lambda: any(line.startswith(start) for line in lines)), lines
    finally:
        end.set()


@pytest.mark.slow(seconds=9)
def test_a_run_that_could_never_end_is_refused_and_the_next_one_goes_on(here: slurm_lab.Lab, fresh: Project) -> None:
    command = ("snakemake", "--profile", "workflow/profiles/slurm", "--seconds-between-status-checks", "1")
    asked = ("--set-resources", "train:runtime=40", "preprocess:mem_mb=99999999", "judge:constraint=nosuch")
    refused = fresh.attempt(*command, "--default-resources", "slurm_partition=spot", *asked, env=here.env)
    assert refused.code == 1
    for words in (
        "rule train (6 jobs, such as candidate=",
        "asks for 40 min; partition spot allows at most 30\n    → runtime: 30; or slurm_partition: cpu or gpu",
        "rule preprocess: asks for 99999999 MiB of memory; no node of partition spot has more than",
        "rule judge: Slurm refuses it: Invalid feature specification",
    ):
        assert words in refused.text
    assert "Traceback" not in refused.text
    assert here.run("squeue", "--noheader") == ""
    odd = ("--retries", "0", "--set-resources", "preprocess:slurm_extra='--begin=never'")
    later = fresh.attempt(*command, "preprocess", *odd, env=here.env)
    assert later.code == 1
    assert "\nSlurm refused jobs of this run:\n" in later.text
    assert "What has ended is kept" in later.text
    done = fresh.attempt(*command, "preprocess", env=here.env)
    assert done.code == 0, done.text


@pytest.mark.slow(seconds=9)
def test_a_controller_that_is_down_is_told(here: slurm_lab.Lab) -> None:
    here.stop_controller()
    try:
        with pytest.raises(
            SetupError, match=r"Slurm doesn't answer \(scontrol .*try\s+again when 'scontrol ping' says UP"
        ):
            cluster_limits.read()
    finally:
        here.start_controller()
    assert wait_for(lambda: cluster_limits.asked(asks(options=("--mem", "500"))) is None)


@pytest.mark.slow(seconds=9)
def test_a_job_is_shown_to_slurm_as_the_executor_would_submit_it(here: slurm_lab.Lab) -> None:
    resources = _Resources(mem_mb=500, runtime=10, slurm_partition="gpu", gpu=1, nodes=1, qos="any")
    job = SimpleNamespace(
        resources=resources, rule=SimpleNamespace(name="train"), wildcards_dict={"seed": "0"}, threads=2
    )
    settings = SimpleNamespace(requeue=True, no_requeue=False, qos=None, reservation=None)
    found = cluster_requests.request(job, settings)
    shown = msgspec.structs.replace(found, options=())
    assert shown == Request(
        rule="train",
        job="seed=0",
        partitions=("gpu",),
        minutes=10,
        memory_mib=500,
        cpus=2,
        gpus=1,
        qos="any",
        spread=False,
    )
    assert cluster_limits.asked(found) is None
    assert {"--gpus=1", "--cpus-per-task=2", "--requeue", "--qos=any"} <= set(found.options or ())
    assert here.run("squeue", "--noheader") == ""


class _Resources(dict[str, Any]):
    def __getattr__(self, name: str) -> Any:
        return self[name]
