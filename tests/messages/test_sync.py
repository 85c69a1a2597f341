"""Pairs of color and depth."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvdl.messages.sync import RgbdSync

MS = 1_000_000


def run(events: list[tuple[str, int]], **options: float) -> tuple[list[tuple[int, int]], RgbdSync]:
    """Matches as pairs of stamps (ms) of events such as ("c", 33), with a camera_info before."""
    sync = RgbdSync(**options)
    sync.add_camera_info("info")
    matches = []
    for topic, stamp in events:
        add = sync.add_color if topic == "c" else sync.add_depth
        matches += add(stamp * MS, stamp)
    matches += sync.flush()
    return [(match.color, match.depth) for match in matches], sync


def test_equal_stamps_match_at_once_in_any_order_of_arrival():
    for order in itertools.permutations([("c", 0), ("d", 0), ("c", 33), ("d", 33)]):
        if order.index(("c", 0)) < order.index(("c", 33)) and order.index(("d", 0)) < order.index(
            ("d", 33)
        ):
            assert run(list(order))[0] == [(0, 0), (33, 33)], order
    sync = RgbdSync()
    sync.add_camera_info("info")
    sync.add_color(5, "color")
    (match,) = sync.add_depth(5, "depth")
    assert (match.color, match.depth, match.camera_info) == ("color", "depth", "info")


def test_a_lost_image_does_not_shift_the_pairs_that_follow():
    # 60 Hz, so that a neighbor lies within the slop too; color 17 is missing.
    stamps = [0, 17, 33, 50, 67]
    events = [(t, s) for s in stamps for t in ("d", "c") if (t, s) != ("c", 17)]
    matches, sync = run(events)
    assert matches == [(s, s) for s in stamps if s != 17]
    assert sync.dropped == {"depth without color": 1}


def test_the_nearer_of_two_partners_wins():
    # 30 Hz, depth 20 ms after one color image and 13 ms before the next.
    events = [("c", 0), ("d", 20), ("c", 33), ("d", 53), ("c", 66), ("d", 86), ("c", 99)]
    assert run(events)[0] == [(33, 20), (66, 53), (99, 86)]


def test_a_pair_waits_only_while_a_better_one_may_come():
    sync = RgbdSync()
    sync.add_camera_info("info")
    arrivals = [("c", 0), ("d", 5), ("c", 33), ("d", 38), ("c", 66), ("d", 71)]
    counts = [
        len((sync.add_color if topic == "c" else sync.add_depth)(stamp * MS, stamp))
        for topic, stamp in arrivals
    ]
    # The first waits, as the period is not known yet; later ones match with their depth.
    assert counts == [0, 0, 1, 1, 0, 1]


def test_two_odd_stamps_do_not_delay_later_pairs():
    sync = RgbdSync()
    sync.add_camera_info("info")
    sync.add_color(0, "odd")
    sync.add_color(1 * MS, "odd")
    at_once = []
    for stamp in range(33, 33 * 20, 33):
        sync.add_color(stamp * MS, stamp)
        at_once.append(len(sync.add_depth((stamp + 5) * MS, stamp)))
    assert at_once[:3] == [0, 0, 0]  # a color image may come within 1 ms
    assert at_once[-5:] == [1, 1, 1, 1, 1]


def test_an_image_lost_on_the_way_does_not_hurry_the_next_pair():
    # 30 Hz; after a gap of two periods the next color image may still come after one.
    events = [("c", 0), ("c", 33), ("c", 99), ("d", 118), ("c", 132)]
    assert run(events)[0] == [(132, 118)]


@pytest.mark.parametrize("count", [3, 6])
def test_a_loop_shorter_than_a_second_is_followed(count):
    stamps = [33 * (i + 1) for i in range(count)]
    passes = 20
    events = [(topic, stamp) for _ in range(passes) for stamp in stamps for topic in "cd"]
    matches, sync = run(events)
    assert all(color == depth for color, depth in matches)
    assert len(matches) >= passes * count / 2
    assert sync.dropped.total() == len(events) - 2 * len(matches)


def test_stamps_that_stand_still_are_named():
    _, sync = run([(topic, 5) for _ in range(10) for topic in "cd"])
    assert sync.complaint() == (
        "the stamps of color and depth stay at 0.005 s (9 on color, 9 on depth): its driver "
        "must stamp each image; with use_sim_time a clock must run"
    )


def test_slop_is_the_limit():
    assert run([("c", 0), ("d", 10)], slop_s=0.010)[0] == [(0, 10)]
    matches, sync = run([("c", 0), ("d", 11)], slop_s=0.010)
    assert matches == []
    assert sync.dropped == {"color without depth": 1, "depth without color": 1}


def test_late_camera_info_is_used_and_the_latest():
    sync = RgbdSync()
    assert sync.add_color(0, "c0") == sync.add_depth(0, "d0") == []
    (match,) = sync.add_camera_info("first")
    assert match.camera_info == "first"
    sync.add_camera_info("second")
    sync.add_color(33 * MS, "c1")
    (match,) = sync.add_depth(33 * MS, "d1")
    assert match.camera_info == "second"


def test_without_camera_info_pairs_are_dropped_not_kept_for_ever():
    sync = RgbdSync(queue_size=3)
    for i in range(10):
        sync.add_color(i * 33 * MS, i)
        sync.add_depth(i * 33 * MS, i)
    assert sync.dropped == {"no camera_info": 7}
    assert [match.color for match in sync.add_camera_info("info")] == [7, 8, 9]


def test_pairs_that_wait_for_camera_info_at_the_end_are_counted():
    sync = RgbdSync()
    sync.add_color(0, "c")
    sync.add_depth(0, "d")
    assert sync.flush() == []
    assert sync.dropped == {"no camera_info": 1}


def test_a_topic_that_never_comes_is_named():
    sync = RgbdSync("/color", "/depth", "/info")
    assert sync.complaint() == ""
    for i in range(30):
        sync.add_color(i * 33 * MS, i)
    assert sync.complaint() == "no messages on /depth and /info (but 30 on /color)"
    assert sync.dropped == {"color without depth": 20}
    sync.add_camera_info("info")
    for i in range(20, 25):
        sync.add_depth(i * 33 * MS, i)
    assert sync.complaint() == ""


def test_clocks_that_differ_are_named_with_the_nearest_miss():
    sync = RgbdSync("/color", "/depth", "/info")
    sync.add_camera_info("info")
    for i in range(5):
        sync.add_color(i * 1000 * MS, i)
        sync.add_depth((i * 1000 + 300) * MS, i)
    assert (
        "no stamps of /color and /depth within 0.02 s, the closest are 0.3 s apart"
        in sync.complaint()
    )


def test_equal_and_disordered_stamps_are_counted_and_the_rest_matches():
    events = [("c", 0), ("c", 0), ("d", 0), ("c", 66), ("c", 33), ("d", 33), ("d", 66), ("d", 40)]
    matches, sync = run(events)
    assert matches == [(0, 0), (33, 33), (66, 66)]
    assert sync.dropped == {"duplicate stamp": 1, "stamp out of order": 1}


def test_stamps_of_zero_all_over_give_one_match():
    matches, sync = run([("c", 0), ("d", 0)] * 20)
    assert matches == [(0, 0)]
    assert sync.dropped == {"duplicate stamp": 38}


@pytest.mark.parametrize("back_to", [0, 500])
def test_a_clock_that_starts_again_is_followed(back_to):
    first = [(t, 5000 + 33 * i) for i in range(5) for t in "cd"]
    again = [(t, back_to + 33 * i) for i in range(5) for t in "cd"]
    matches, _ = run(first + again)
    assert [c for c, _ in matches] == [s for t, s in first + again if t == "c"]


@st.composite
def streams(draw):
    """Two topics of 30 Hz, jittered, with losses, interleaved in any order a network may make."""
    events = []
    for topic in "cd":
        offset = draw(st.integers(0, 16))
        stamps = [
            33 * i + offset + draw(st.integers(0, 4)) for i in range(draw(st.integers(0, 20)))
        ]
        kept = [stamp for stamp in stamps if draw(st.integers(0, 9))]
        delay = draw(st.integers(0, 60))
        events += [(stamp + delay, topic, stamp) for stamp in kept]
    return [(topic, stamp) for _, topic, stamp in sorted(events)]


@given(streams())
def test_matches_are_close_in_order_unique_and_everything_is_accounted_for(events):
    matches, sync = run(events)
    colors, depths = [c for c, _ in matches], [d for _, d in matches]
    assert all(abs(c - d) <= 20 for c, d in matches)
    assert colors == sorted(set(colors))
    assert depths == sorted(set(depths))
    assert 2 * len(matches) + sync.dropped.total() == len(events)
    assert sync.matched == len(matches)


@given(
    st.lists(st.sampled_from(["both", "c", "d"]), max_size=30),
    st.sampled_from([(17, 0.008), (33, 0.02), (66, 0.02)]),
    st.integers(0, 100),
    st.integers(0, 100),
)
def test_with_common_stamps_exactly_the_common_ones_match(kept, rate, c_delay, d_delay):
    """Whichever topic is slower on its way, and whatever is lost, at 15, 30 and 60 Hz.

    As long as the slop is shorter than the period, which docs/replay.md asks for: at 60 Hz the
    default one is not, and a frame may go to the neighbor of a lost one.
    """
    period, slop_s = rate
    stamps = [period * i for i in range(len(kept))]
    events = [
        (stamp + delay, topic, stamp)
        for topic, delay in (("c", c_delay), ("d", d_delay))
        for stamp, keep in zip(stamps, kept, strict=True)
        if keep in (topic, "both")
    ]
    both = [(s, s) for s, keep in zip(stamps, kept, strict=True) if keep == "both"]
    in_order = [(topic, stamp) for _, topic, stamp in sorted(events)]
    matches, _ = run(in_order, slop_s=slop_s)
    exact = [pair for pair in matches if pair[0] == pair[1]]
    assert exact == both


@given(st.lists(st.tuples(st.sampled_from("cd"), st.integers(-(10**6), 10**6)), max_size=60))
def test_arbitrary_stamps_raise_nothing(events):
    matches, sync = run(events)
    assert 2 * len(matches) + sync.dropped.total() == len(events)
    assert all(abs(c - d) <= 20 for c, d in matches)


# --- What is said where nothing pairs -----------------------------------------------------------

S = 1_000_000_000


def complaint_of(
    color=lambda i: i * 33 * MS,
    depth=lambda i: i * 33 * MS,
    info=lambda i: i * 33 * MS,
    infos_per_frame=1,
    frames=150,
    keep=lambda topic, i: True,
):
    """What a synchroniser says after so many frames; stamps by the frame's number."""
    sync = RgbdSync("/c", "/d", "/i")
    sync.add_camera_info("info", S)
    for i in range(frames):
        for k in range(infos_per_frame):
            stamp = None if info is None else S + info(i) + k * 11 * MS
            sync.add_camera_info("info", stamp)
        if keep("c", i):
            sync.add_color(color(i), i)
        if keep("d", i):
            sync.add_depth(depth(i), i)
    return sync.complaint()


def now(i):
    return 1_700_000_000 * S + i * 33 * MS


@pytest.mark.parametrize("infos", [0, 1, 3])
@pytest.mark.parametrize(
    ("color", "depth", "said"),
    [
        (lambda i: 0, lambda i: 0, "the stamps of /c and /d are 0 ("),
        (lambda i: 0, now, "the stamps of /c are 0 ("),
        (now, lambda i: 0, "the stamps of /d are 0 ("),
        (lambda i: 7 * S, lambda i: 7 * S, "the stamps of /c and /d stay at 7.00 s ("),
        (now, lambda i: 7 * S, "the stamps of /d stay at 7.00 s ("),
        (lambda i: 0, lambda i: 7 * S, "the stamps of /c are 0, the stamps of /d stay at"),
        (lambda i: now(min(i, 20)), lambda i: 0, "the stamps of /d are 0, the stamps of /c stay"),
    ],
)
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_useless_stamps_are_reported_by_topic(color, depth, said, infos, share):
    """However often camera_info comes, and though images are lost, too."""
    rng = np.random.default_rng(0)
    lost = rng.random((2, 150)) > share
    sentence = complaint_of(
        color,
        depth,
        infos_per_frame=infos,
        keep=lambda topic, i: not lost["cd".index(topic), i],
    )
    assert sentence.startswith(said)
    assert sentence.endswith("must stamp each image; with use_sim_time a clock must run")


@pytest.mark.parametrize(
    ("info", "infos"), [(lambda i: i * 33 * MS, 1), (None, 1), (lambda i: i * 33 * MS, 0)]
)
@pytest.mark.parametrize("share", [0.1, 0.05])
def test_images_lost_on_the_way_are_reported_by_the_counts(share, info, infos):
    rng = np.random.default_rng(1)
    kept = rng.random((2, 300)) < share
    kept[1] &= ~kept[0]  # no frame arrives whole
    sentence = complaint_of(
        info=info,
        infos_per_frame=infos,
        frames=300,
        keep=lambda topic, i: bool(kept["cd".index(topic), i]),
    )
    assert sentence.startswith("images are lost in transport (")
    assert f"({kept[0].sum()} of about " in sentence
    assert f", {kept[1].sum()} of about " in sentence
    assert sentence.endswith('see "Large images" in docs/ros.md')
    if infos:
        expected = int(re.findall(r"of about (\d+)", sentence)[0])
        assert expected == pytest.approx(300, rel=0.15)


@pytest.mark.parametrize("infos", [0, 1, 3, 9])
def test_a_complete_stream_has_no_lost_images(infos):
    """Depth between two color images, at 10 Hz, and camera_info oftener: the slop is too small."""
    sentence = complaint_of(lambda i: i * 99 * MS, lambda i: i * 99 * MS + 45 * MS, None, infos)
    assert sentence.startswith(
        "no stamps of /c and /d within 0.02 s, the closest are 0.045 s apart"
    )
    assert "raise the slop" in sentence


@pytest.mark.parametrize("infos", [0, 1, 3])
@pytest.mark.parametrize(
    ("offset_ns", "said"),
    [
        (5 * S, "the stamps of /d are 5.00 s ahead of those of /c ("),
        (-3600 * S, "the stamps of /d are 3600.00 s behind those of /c ("),
    ],
)
def test_another_clock_is_named_with_its_offset(offset_ns, said, infos):
    sentence = complaint_of(now, lambda i: now(i) + offset_ns, infos_per_frame=infos)
    assert sentence.startswith(said)
    assert sentence.endswith("use one clock for both")


def test_a_topic_that_starts_much_later_is_named():
    """Depth that is computed elsewhere, 2 s later, by color's stamps."""
    sync = RgbdSync("/c", "/d", "/i")
    sync.add_camera_info("info", 0)
    for i in range(150):
        sync.add_color(now(i), i)
        if i >= 60:
            sync.add_depth(now(i - 60), i)
    assert sync.matched == 0
    said = "/d arrives 1.98 s later than /c with the same stamp (150 on /c, 90 on /d, 1 on /i)"
    assert sync.complaint() == f"{said}: raise the queue size"


def test_losses_are_reported_though_some_pairs_come():
    """Of depth only, so that what comes pairs."""
    rng = np.random.default_rng(2)
    for share, is_told in ((0.2, True), (0.9, False)):
        sync = RgbdSync("/c", "/d", "/i")
        for i in range(300):
            sync.add_camera_info("info", now(i))
            sync.add_color(now(i), i)
            if rng.random() < share:
                sync.add_depth(now(i), i)
        assert sync.matched > 0
        assert sync.doubt().startswith("images are lost in transport (300 of about 300") == is_told


@pytest.mark.parametrize("every", [1, 3])
def test_a_slower_or_jittery_topic_has_lost_nothing(every):
    rng = np.random.default_rng(3)
    sync = RgbdSync("/c", "/d", "/i")
    for i in range(300):
        sync.add_camera_info("info", now(i))
        sync.add_color(now(i), i)
        if i % every == 0:
            sync.add_depth(now(i) + int(rng.normal(0, 3 * MS)), i)
    assert sync.doubt() == ""


# --- By arrival ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("color", "depth"),
    [
        (lambda i: 0, lambda i: 0),
        (lambda i: 0, now),
        (now, lambda i: 0),
        (lambda i: 7 * S, lambda i: 9 * S),
    ],
)
def test_without_stamps_what_arrives_together_pairs(color, depth):
    sync = RgbdSync("/c", "/d", "/i")
    sync.add_camera_info("info", 0)
    matches = []
    for i in range(60):
        matches += sync.add_color(color(i), i, i * 33 * MS)
        matches += sync.add_depth(depth(i), i, i * 33 * MS + 8 * MS)
    assert len(matches) >= 55
    assert all(match.color == match.depth for match in matches)
    assert sync.by_arrival >= 55
    assert "color and depth are paired by the time of arrival" in sync.doubt()
    assert sync.complaint() == ""


def test_by_arrival_what_is_far_apart_does_not_pair():
    sync = RgbdSync()
    sync.add_camera_info("info")
    for i in range(10):
        assert not sync.add_color(0, i, i * S)
        assert sync.add_depth(0, i, i * S + S // 2) == [] or i == 0
    assert sync.by_arrival == 0
    sync.flush()
    assert 2 * sync.matched + sync.dropped.total() == 20


def test_stamps_that_go_on_again_count_again():
    sync = RgbdSync()
    sync.add_camera_info("info")
    matches = []
    for i in range(60):
        stamp = 0 if i < 30 else now(i)
        matches += sync.add_color(stamp, i, i * 33 * MS)
        if i != 45:  # lost; by arrival its partner would pair with another
            matches += sync.add_depth(stamp, i, i * 33 * MS + 30 * MS)
    pairs = [(match.color, match.depth) for match in matches]
    assert [pair for pair in pairs if pair[0] >= 31] == [(i, i) for i in range(31, 60) if i != 45]
    assert sync.doubt() == ""
