"""How a resource is to be treated: what is prevented, what is ignored, and why an instance goes."""

from __future__ import annotations

import attrs
import pytest

from flowplan.config import Config
from flowplan.diagnostics import Position
from flowplan.model.address import Address
from flowplan.model.lifecycle import Lifecycle
from flowplan.model.live import Live
from flowplan.model.resources import Bid, ContainerImage, Inputs, PortMapping, PortPair, Resource, Script, Volume
from flowplan.model.selection import Patterns
from flowplan.planning.actions import Action, Change, CreateFirst
from flowplan.planning.conflicts import conflicts
from flowplan.planning.desired import Desired
from flowplan.planning.differences import differences
from flowplan.planning.guards import refusals
from flowplan.planning.plan import EVERYTHING, Mode, Plan, Unread, Wishes
from flowplan.planning.steps import Step
from flowplan.state.state import State
from tests.builders import (
    DATA,
    HTTP,
    PORTS,
    TRAIN,
    bid,
    bound,
    live,
    live_bid,
    live_volume,
    marked,
    planned,
    state,
    volume,
)

HERE = Position("flowplan.yaml", 7, 3)
SAFE = Lifecycle(prevent_destroy=True, source=HERE)
DESTROY = Wishes("destroy", destroyable=frozenset({EVERYTHING}), lifecycles={TRAIN: SAFE, DATA: SAFE})
KNOWN = state(bound(TRAIN, "bid_1", bid()), bound(DATA, "vol_1", volume()))
THERE = live(live_bid(bid()), live_volume(volume()))


def treated(wanted: dict[Address, Resource], **lifecycles: Lifecycle) -> Desired:
    """What is wanted, and how `train` and `data` are to be treated."""
    addresses = {"train": TRAIN, "data": DATA}
    return Desired(wanted, lifecycles={addresses[name]: one for name, one in lifecycles.items()})


# ---- prevent_destroy ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "wishes", "refused"),
    [
        ({TRAIN: bid(), DATA: volume()}, Wishes(), []),
        ({TRAIN: bid(limit="21"), DATA: volume()}, Wishes(), []),
        ({TRAIN: bid(quantity=2), DATA: volume()}, Wishes(), ["bid.train"]),
        ({TRAIN: bid(), DATA: volume()}, Wishes(replace=frozenset({TRAIN})), ["bid.train"]),
        (
            {TRAIN: bid(), DATA: volume(size_gb=200)},
            Wishes(destroyable=frozenset({"data", EVERYTHING})),
            ["volume.data"],
        ),
        ({}, DESTROY, ["bid.train", "volume.data"]),
        ({}, attrs.evolve(DESTROY, keep_volumes=True), ["bid.train"]),
        ({}, attrs.evolve(DESTROY, lifecycles={}), []),
        ({}, attrs.evolve(DESTROY, lifecycles={}, unread=Unread("prevent_destroy")), ["volume.data"]),
    ],
)
def test_what_has_prevent_destroy_stays(wanted: dict[Address, Resource], wishes: Wishes, refused: list[str]) -> None:
    plan = planned(
        treated(wanted, train=SAFE, data=SAFE) if wishes.mode == "apply" else Desired(), KNOWN, THERE, wishes
    )
    found = [one for one in refusals(plan, THERE, wishes) if one.word == "prevent_destroy"]
    assert [one.about for one in found] == refused


def test_a_refusal_says_where_what_and_how_to_go_on() -> None:
    wanted = treated({TRAIN: bid(quantity=2), DATA: volume()}, train=SAFE)
    (found,) = refusals(planned(wanted, KNOWN, THERE), THERE, Wishes())
    assert found.summary == "bid.train has prevent_destroy, and replacing it cancels bid_1: its instances end"
    assert found.position == HERE
    assert found.hint == "to keep it, undo the change of num_instances; to allow it, set prevent_destroy: false here"


@pytest.mark.parametrize(
    ("wanted", "way"),
    [
        (volume(), "write into the file what is live since a change outside of flowplan: `size: 75`"),
        (
            volume(region="eu-1"),
            "undo the change of region_id, and write into the file what is live since a change outside of flowplan: "
            "`size: 75`",
        ),
    ],
)
@pytest.mark.parametrize("lifecycle", [SAFE, Lifecycle()])
def test_who_edited_nothing_is_not_told_to_undo_an_edit(wanted: Volume, way: str, lifecycle: Lifecycle) -> None:
    there = live(live_bid(bid()), live_volume(volume(size_gb=75)))
    plan = planned(treated({TRAIN: bid(), DATA: wanted}, data=lifecycle), KNOWN, there)
    found = refusals(plan, there, Wishes())
    assert {one.word for one in found} == {"volume_data"} | ({"prevent_destroy"} if lifecycle is SAFE else set())
    for one in found:
        assert f"to keep it, {way}" in (one.hint or "").split("; ")
    kept = attrs.evolve(wanted, size_gb=75, region=volume().region)  # what the hint says to write
    assert not refusals(planned(treated({TRAIN: bid(), DATA: kept}, data=lifecycle), KNOWN, there), there, Wishes())


APPLIED = "./old.yaml:7:3"
GUARDED = state(
    bound(TRAIN, "bid_1", bid(), protected=APPLIED),
    bound(DATA, "vol_1", volume(), protected=APPLIED),
)
GONE = Wishes("destroy", destroyable=frozenset({EVERYTHING}))
PERMITTED = Wishes(destroyable=frozenset({EVERYTHING}))
BOTH = frozenset({TRAIN, DATA})


@pytest.mark.parametrize(
    ("desired", "wishes", "refused"),
    [
        (Desired(), GONE, ["bid.train", "volume.data"]),
        (Desired(), attrs.evolve(GONE, unread=Unread("attach")), ["bid.train", "volume.data"]),
        (Desired(), attrs.evolve(GONE, keep_volumes=True), ["bid.train"]),
        (Desired(), attrs.evolve(GONE, declared=frozenset({TRAIN})), ["volume.data"]),
        (Desired(), attrs.evolve(GONE, declared=BOTH, lifecycles={DATA: SAFE}), ["volume.data"]),
        (Desired(), attrs.evolve(GONE, given_up=BOTH), []),
        (Desired(), attrs.evolve(GONE, spared=BOTH), []),
        (Desired(), PERMITTED, ["bid.train", "volume.data"]),
        (treated({DATA: volume(size_gb=200)}), PERMITTED, ["bid.train"]),
        (treated({TRAIN: bid(quantity=2)}), PERMITTED, ["volume.data"]),
        (Desired(removed={TRAIN: True, DATA: True}), PERMITTED, []),
        (Desired(removed={TRAIN: False, DATA: False}), PERMITTED, []),
    ],
)
def test_what_the_files_say_nothing_of_is_protected_as_it_was_applied(
    desired: Desired, wishes: Wishes, refused: list[str]
) -> None:
    plan = planned(desired, GUARDED, THERE, wishes)
    found = [one for one in refusals(plan, THERE, wishes) if one.word == "prevent_destroy"]
    assert [one.about for one in found] == refused


@pytest.mark.parametrize(
    ("kept", "targets", "refused"),
    [
        ((), (), []),
        (("train",), (), ["bid.train"]),
        (("other",), (), []),
        ((EVERYTHING,), (), ["bid.train"]),
        (("train",), ("*",), ["bid.train"]),
        (("train",), ("bid.train",), []),
        (("train",), ("task.train",), []),
    ],
)
def test_a_bid_that_an_unread_file_may_keep_goes_by_its_name_only(
    kept: tuple[str, ...], targets: tuple[str, ...], refused: list[str]
) -> None:
    known = state(bound(TRAIN, "bid_1", bid()))
    wishes = Wishes("destroy", unread=Unread("removed", frozenset(kept)), patterns=Patterns(targets))
    found = refusals(planned(Desired(), known, THERE, wishes), THERE, wishes)
    assert [one.about for one in found] == refused


def test_an_instance_is_given_up_by_its_key_or_with_its_whole_for_each() -> None:
    one, other = Address("bid", 'train["a"]'), Address("bid", 'train["b"]')
    there = live(live_bid(bid("train-a")), live_bid(bid("train-b"), "bid_2"))
    known = state(
        bound(one, "bid_1", bid("train-a"), protected=APPLIED),
        bound(other, "bid_2", bid("train-b"), protected=APPLIED),
    )
    for given_up, refused in (((one,), [str(other)]), ((TRAIN,), []), ((), [str(one), str(other)])):
        plan = planned(Desired(removed=dict.fromkeys(given_up, True)), known, there)
        assert [found.about for found in refusals(plan, there, Wishes())] == refused


@pytest.mark.parametrize(
    ("lifecycles", "refused"),
    [({}, []), ({"a": Lifecycle()}, []), ({"a": Lifecycle(), "b": SAFE}, ["bid.train"])],
)
@pytest.mark.parametrize("mode", ["apply", "destroy"])
def test_what_was_moved_to_the_name_of_a_for_each_is_protected_as_its_instances_are(
    lifecycles: dict[str, Lifecycle], refused: list[str], mode: Mode
) -> None:
    """The files say nothing of `bid.train`, but of `train`."""
    each = {name: Address("bid", f'train["{name}"]') for name in "ab"}
    treated = {each[name]: one for name, one in lifecycles.items()}
    wanted = {one: bid(f"train-{name}") for name, one in each.items()} if mode == "apply" else {}
    wishes = Wishes(mode, declared=frozenset(each.values()) if mode == "destroy" else frozenset())
    known = state(bound(TRAIN, "bid_1", bid(), protected=APPLIED))
    plan = planned(Desired(wanted, lifecycles=treated), known, THERE, wishes)
    found = [one for one in refusals(plan, THERE, wishes) if one.word == "prevent_destroy"]
    assert [one.about for one in found] == refused


def test_what_has_a_successor_is_protected_no_more() -> None:
    assert bound(TRAIN, "bid_1", bid(), protected=APPLIED).before(2, "task.yaml").protected == ""


def test_what_was_never_applied_with_it_is_not_protected() -> None:
    plan = planned({DATA: volume()}, KNOWN, THERE)
    assert refusals(plan, THERE, Wishes()) == ()


# ---- ignore_changes -----------------------------------------------------------------------------------------

SCRIPT, OTHER = Script.of("echo one\n"), Script.of("echo two\n")
IMAGE = ContainerImage("image:1", None, "-e TOKEN=secret")
CARRIES = Inputs(SCRIPT, HTTP, container_image=IMAGE)
OTHER_PORTS = (PortPair(9000, 9000),)


def ignoring(*fields: str) -> Lifecycle:
    return Lifecycle(ignore_changes=fields)


def compared(before: Bid, after: Bid, lifecycle: Lifecycle, *, applied: Bid | None = None) -> Change:
    known = state(bound(TRAIN, "bid_1", applied or before))
    return planned(treated({TRAIN: after}, train=lifecycle), known, live(live_bid(before))).by_address()[TRAIN]


@pytest.mark.parametrize(
    ("after", "fields", "action"),
    [
        (bid(limit="21"), ["limit_price"], "no-op"),
        (bid(limit="21"), ["paused"], "update"),
        (bid(limit="21", paused=True), ["paused"], "update"),
        (bid(quantity=2), ["instance_quantity"], "no-op"),
        (bid(quantity=2, region="s"), ["instance_quantity"], "replace"),
        (bid(quantity=2, limit="1", region="s", ssh_keys=("key_2",)), ["all"], "no-op"),
        (bid(inputs=Inputs(SCRIPT)), ["startup_script"], "no-op"),
        (bid(inputs=Inputs(SCRIPT)), ["ports"], "replace"),
        (bid(inputs=Inputs(SCRIPT, HTTP)), ["startup_script"], "replace"),
        (bid(inputs=Inputs(SCRIPT, HTTP)), ["startup_script", "ports"], "no-op"),
        (bid(inputs=Inputs(SCRIPT, HTTP)), ["inputs"], "no-op"),
        (bid(inputs=Inputs(container_image=IMAGE)), ["container_image"], "no-op"),
    ],
)
def test_what_is_ignored_is_no_difference(after: Bid, fields: list[str], action: Action) -> None:
    assert compared(bid(), after, ignoring(*fields)).action == action


@pytest.mark.parametrize(
    ("after", "fields", "action"),
    [
        (Inputs(OTHER, HTTP, container_image=IMAGE), ["startup_script"], "no-op"),
        (Inputs(OTHER, OTHER_PORTS, container_image=IMAGE), ["startup_script"], "replace"),
        (Inputs(OTHER, OTHER_PORTS, container_image=IMAGE), ["ports"], "replace"),  # its digest differs
        (Inputs(SCRIPT, OTHER_PORTS, container_image=IMAGE), ["ports"], "no-op"),
    ],
)
def test_of_what_only_a_marker_tells_the_known_parts_are_compared(
    after: Inputs, fields: list[str], action: Action
) -> None:
    """Where a part that is not known is ignored, what else is not known is never a difference by itself."""
    known = bid(inputs=CARRIES)
    there = bid(inputs=marked(CARRIES))
    applied = compared(there, bid(inputs=after), ignoring(*fields), applied=attrs.evolve(known, inputs=None))
    assert applied.action == action


def test_a_replacement_keeps_what_is_ignored_and_changes_in_place() -> None:
    found = compared(bid(limit="5", paused=True), bid(quantity=2), ignoring("limit_price", "paused", "region"))
    assert found.action == "replace"
    assert found.after == bid(limit="5", paused=True, quantity=2)


def test_ports_that_are_ignored_stay_although_nobody_asks_for_them() -> None:
    publishes = bid(inputs=Inputs(ports=HTTP))
    known = state(bound(TRAIN, "bid_1", publishes), bound(PORTS, "bid_1", PortMapping(TRAIN, HTTP), needs=(TRAIN,)))
    there = live(live_bid(publishes))
    plan = planned(treated({TRAIN: bid()}, train=ignoring("ports")), known, there)
    assert {str(one.address): one.action for one in plan.changes} == {"bid.train": "no-op", "ports.train": "no-op"}
    dropped = planned(treated({TRAIN: bid()}), known, there)
    assert {str(one.address): one.action for one in dropped.changes} == {
        "bid.train": "replace",
        "ports.train": "delete",
    }


def drift_of(lifecycle: Lifecycle) -> list[str]:
    known, there = state(bound(TRAIN, "bid_1", bid())), live(live_bid(bid(limit="21", paused=True)))
    plan = planned(treated({TRAIN: bid()}, train=lifecycle), known, there)
    return [field.name for one in plan.drift for field in one.fields]


def test_what_is_ignored_is_no_drift_either() -> None:
    assert drift_of(Lifecycle()) == ["limit_price", "paused"]
    assert drift_of(ignoring("limit_price")) == ["paused"]
    assert drift_of(ignoring("all")) == []


def test_a_volume_may_ignore_its_size() -> None:
    known, there = state(bound(DATA, "vol_1", volume())), live(live_volume(volume()))
    plan = planned(treated({DATA: volume(size_gb=200)}, data=ignoring("size_gb")), known, there)
    assert plan.empty


# ---- create_before_destroy ----------------------------------------------------------------------------------

FIRST = Lifecycle(create_before_destroy=True)
SHARED = volume(interface="File")
USES = bid(volumes=(DATA,))
WITH_DATA = state(bound(TRAIN, "bid_1", bid(volumes=("vol_1",)), needs=(DATA,)), bound(DATA, "vol_1", SHARED))
EARLIER = TRAIN.of_generation(1)


def using(of: Volume) -> Live:
    return live(live_bid(bid(volumes=("vol_1",))), live_volume(of, bids=("bid_1",)))


def steps(plan: Plan) -> list[str]:
    return [str(step) for step in plan.order]


def test_the_successor_is_made_before_the_old_one_goes() -> None:
    plan = planned(
        treated({TRAIN: bid(quantity=2)}, train=FIRST), state(bound(TRAIN, "bid_1", bid())), live(live_bid(bid()))
    )
    (found,) = plan.changes
    assert isinstance(found, CreateFirst)
    assert (found.id, found.generation, found.earlier) == ("bid_1", 2, EARLIER)
    assert found.after == bid("train-g2", quantity=2)
    assert steps(plan) == ["up(bid.train)", "down(bid.train)"]


def test_the_ports_come_with_the_successor_and_end_with_the_old_one() -> None:
    publishes = bid(inputs=Inputs(ports=HTTP))
    known = state(bound(TRAIN, "bid_1", publishes), bound(PORTS, "bid_1", PortMapping(TRAIN, HTTP), needs=(TRAIN,)))
    wanted: dict[Address, Resource] = {TRAIN: attrs.evolve(publishes, region="s"), PORTS: PortMapping(TRAIN, HTTP)}
    found = planned(treated(wanted, train=FIRST), known, live(live_bid(publishes))).order
    assert found[Step("up", PORTS)] == (Step("up", TRAIN),)
    assert Step("down", TRAIN) in found[Step("down", PORTS)]


def test_a_long_name_is_shortened_to_stay_one() -> None:
    name = "x" * 128
    plan = planned(
        treated({TRAIN: bid(name, quantity=2)}, train=FIRST),
        state(bound(TRAIN, "b", bid(name))),
        live(live_bid(bid(name), "b")),
    )
    (found,) = plan.changes
    assert isinstance(found.after, Bid) and found.after.name == "x" * 125 + "-g2"


@pytest.mark.parametrize(
    ("live_name", "wanted", "same"),
    [
        ("train", "train", True),
        ("train-g2", "train", True),
        ("train-g12", "train", True),
        ("x" * 125 + "-g2", "x" * 128, True),
        ("x" * 124 + "-g2", "x" * 128, False),
        ("train-g", "train", False),
        ("train-g02", "train", False),
        ("train-2", "train", False),
        ("other", "train", False),
    ],
)
def test_a_name_that_is_written_is_that_of_its_successors_too(live_name: str, wanted: str, same: bool) -> None:
    assert (differences(bid(live_name), bid(wanted), named=True) == ()) == same


def test_the_name_of_a_successor_is_no_difference() -> None:
    made = bid("train-g2")
    plan = planned(
        treated({TRAIN: bid()}, train=FIRST), state(bound(TRAIN, "bid_2", made)), live(live_bid(made, "bid_2"))
    )
    assert plan.empty


@pytest.mark.parametrize(
    ("of", "wanted", "refused"),
    [
        (SHARED, SHARED, None),
        (volume(), volume(), "both would hold the Block volume data, which only one bid can use"),
        (SHARED, volume(size_gb=200, interface="File"), "volume.data, which it uses, is replaced too"),
    ],
)
def test_a_successor_that_cannot_be_made_first_is_refused(of: Volume, wanted: Volume, refused: str | None) -> None:
    known = attrs.evolve(WITH_DATA, bindings={**WITH_DATA.bindings, DATA: bound(DATA, "vol_1", of)})
    wishes = Wishes(destroyable=frozenset({EVERYTHING}))
    desired = treated({TRAIN: attrs.evolve(USES, instance_quantity=2), DATA: wanted}, train=FIRST)
    found = refusals(planned(desired, known, using(of), wishes), using(of), wishes)
    assert [one.code for one in found] == (["volume-in-use"] if refused else [])
    assert all(refused and refused in one.summary for one in found)


def test_what_was_left_between_the_two_is_taken_away() -> None:
    """A run that was killed when the successor was there: nothing is made again."""
    known = state(bound(TRAIN, "bid_2", bid("train-g2"), generation=2), bound(EARLIER, "bid_1", bid()))
    there = live(live_bid(bid()), live_bid(bid("train-g2"), "bid_2"))
    plan = planned(treated({TRAIN: bid()}, train=FIRST), known, there)
    assert {str(one.address): (one.action, one.reason) for one in plan.changes} == {
        "bid.train": ("no-op", None),
        "bid.train@g1": ("delete", "delete_because_replaced"),
    }


def test_the_name_of_what_was_left_is_free_before_it_is_used_again() -> None:
    """The successor has ended meanwhile: a new bid has the name of the old one, which is still there."""
    known = state(bound(TRAIN, "bid_2", bid("train-g2"), generation=2), bound(EARLIER, "bid_1", bid()))
    there = live(live_bid(bid()), gone=frozenset({"bid_2"}))
    desired = treated({TRAIN: bid()}, train=FIRST)
    assert conflicts(desired, known, {}, there, Config({}, {})) == []
    assert steps(planned(desired, known, there)) == ["down(bid.train@g1)", "up(bid.train)"]


@pytest.mark.parametrize(
    ("address", "base", "key"),
    [("bid.train@g1", "train", None), ('bid.train["a"]@g2', "train", "a"), ('bid.train["a"]', "train", "a")],
)
def test_where_an_earlier_object_stands(address: str, base: str, key: str | None) -> None:
    found = Address.parse(address)
    assert (found.base, found.key, found.is_earlier) == (base, key, "@" in address)
    assert str(found.current) == address.partition("@")[0]


# ---- many at once -------------------------------------------------------------------------------------------


def test_of_many_that_are_replaced_each_is_made_again_before_the_next_goes() -> None:
    known, there, addresses = instances("a", "b", "c")
    plan = planned({address: bid(f"train-{key}", quantity=2) for key, address in addresses.items()}, known, there)
    assert steps(plan) == [f'{way}(bid.train["{key}"])' for key in "abc" for way in ("down", "up")]


# ---- the keys of for_each -----------------------------------------------------------------------------------


def instances(*keys: str) -> tuple[State, Live, dict[str, Address]]:
    addresses = {key: Address("bid", f'train["{key}"]') for key in keys}
    bindings = [bound(address, f"bid_{key}", bid(f"train-{key}")) for key, address in addresses.items()]
    objects = [live_bid(bid(f"train-{key}"), f"bid_{key}") for key in keys]
    return state(*bindings), live(*objects), addresses


def test_a_dropped_key_is_the_reason() -> None:
    known, there, addresses = instances("a", "b")
    plan = planned({addresses["a"]: bid("train-a")}, known, there)
    found = plan.by_address()[addresses["b"]]
    assert (found.action, found.reason) == ("delete", "delete_because_each_key")
    assert found.note == 'the for_each of task.train no longer has the key "b"'


def reasons(plan: Plan) -> set[str | None]:
    return {one.reason for one in plan.changes}


def test_a_task_that_is_gone_as_a_whole_is_not_a_dropped_key() -> None:
    known, there, _ = instances("a", "b")
    assert reasons(planned({}, known, there)) == {"delete_because_no_resource_config"}
    assert reasons(planned({}, known, there, Wishes("destroy"))) == {"delete_because_destroy"}
