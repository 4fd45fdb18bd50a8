"""Figures over people against examples worked by hand."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from analysis.validation.alerts import TOLERANCE_S, expected, score_alerts, whole_breaks
from analysis.validation.claims import claims
from analysis.validation.datasets.days import best_cut_f1
from analysis.validation.measures import Auc, Claim, Ratio, estimate, per_person, reliability
from analysis.validation.page import measures, reliabilities, replaced
from analysis.validation.score import LabelledDay, Labels, difference_rmse_deg
from posture.types import Context, EpochBlock, InputError, Placement


def ratio(**parts: tuple[float, float]) -> Ratio:
    return Ratio("found", "bends", parts=dict(parts))


def test_a_share_pools_the_people_and_names_the_worst() -> None:
    made = estimate(ratio(a=(3, 4), b=(1, 4), c=(2, 2)))
    assert made.value == pytest.approx(6 / 10)
    assert (made.worst, made.worst_value) == ("b", 0.25)


def test_somebody_with_nothing_to_score_is_not_counted() -> None:
    share = ratio(a=(3, 4), nobody=(0, 0))
    assert share.people == ("a",)
    assert per_person(share) == {"a": 0.75}
    assert np.isnan(estimate(ratio()).value)


def test_the_worst_of_a_rate_is_the_highest() -> None:
    rate = Ratio("false", "h", unit="/h", at_most=True, parts={"a": (1, 2), "b": (6, 2)})
    assert (estimate(rate).value, estimate(rate).worst) == (pytest.approx(7 / 4), "b")


def test_an_rmse_is_the_root_of_the_pooled_squares() -> None:
    rmse = Ratio("angle", "samples", unit="deg", root=True, at_most=True)
    rmse.add("a", 4.0, 2)
    rmse.add("a", 5.0)
    rmse.add("b", 27.0)
    assert estimate(rmse).value == pytest.approx(3.0)
    assert per_person(rmse) == pytest.approx({"a": np.sqrt(3.0), "b": np.sqrt(27.0)})


def test_the_interval_is_over_people_and_not_over_their_samples() -> None:
    """Half of ten people always, half never: a thousand samples each do not make the next person any surer."""
    few = Ratio("x", "n", parts={f"p{k}": (float(k % 2), 1.0) for k in range(10)})
    many = Ratio("x", "n", parts={f"p{k}": (1000.0 * (k % 2), 1000.0) for k in range(10)})
    a, b = estimate(few), estimate(many)
    assert (a.low, a.high) == (b.low, b.high)
    # Binomial(10, 1/2): P(X <= 1) = 0.011, P(X <= 2) = 0.055.
    assert (a.low, a.high) == (0.2, 0.8)
    assert estimate(few) == a


def test_too_few_people_have_no_interval() -> None:
    assert np.isnan(estimate(ratio(a=(1, 2), b=(1, 2), c=(1, 2), d=(2, 2))).low)
    assert "–" in measures([ratio(a=(1, 2), b=(1, 2))])


def test_auc_by_hand() -> None:
    """True 3, 2 against false 2, 1: 3 > 2, 3 > 1, 2 = 2, 2 > 1 make 3.5 of 4 pairs, across people as within."""
    auc = Auc("apart", "events")
    auc.add("a", 3.0, true=True)
    auc.add("b", 2.0, true=True)
    auc.add("a", 2.0, true=False)
    auc.add("b", 1.0, true=False)
    auc.add("c", float("nan"), true=True)
    assert estimate(auc).value == pytest.approx(3.5 / 4)
    assert auc.people == ("a", "b")
    assert auc.n == 4
    assert per_person(auc) == {"a": 1.0, "b": 1.0}


def test_calibration_error_by_hand() -> None:
    """Four claims at 0.95 of which half are right, one at 0.5 that is right: (4 x 0.45 + 1 x 0.5) / 5."""
    said = [Claim("bend", 0.95, k < 2) for k in range(4)] + [
        Claim("bend", 0.5, right=True),
        Claim("floor", 1.0, right=True),
    ]
    bend, floor = reliability(said)
    assert bend.calibration_error == pytest.approx((4 * 0.45 + 0.5) / 5)
    assert (floor.calibration_error, floor.n[-1]) == (0.0, 1.0)
    assert bend.n.tolist() == [0, 1, 0, 0, 0, 4]
    assert "| bend | – | 1.00 (1) | – | – | – | 0.50 (4) | 5 | 0.46 |" in reliabilities([bend])


def test_text_around_the_markers_survives() -> None:
    page = "# Head\nby hand\n<!-- x: begin -->\nold\n<!-- x: end -->\nby hand too\n<!-- y: begin -->\nkept\n<!-- y: end -->\n"
    once = replaced(page, "x", "new", where="page")
    assert once == page.replace("old", "new")
    assert replaced(once, "x", "new", where="page") == once
    with pytest.raises(InputError, match="page has no place for z"):
        replaced(page, "z", "new", where="page")


# The sitting policy on the truth


def day(context: list[int], flexion_deg: list[float], *, alerts: tuple[float, ...] = ()) -> LabelledDay:
    """A day of a person with 50 deg of range, labelled second by second."""
    labels = Labels(
        np.array(context, dtype=np.int8),
        np.ones(len(context), dtype=np.bool_),
        *(np.array(flexion_deg, dtype=np.float64) for _ in range(3)),
    )
    said = [{"kind": "flexed_sitting", "about_s": s} for s in alerts]
    none = EpochBlock.joined([])
    return LabelledDay(labels, [], 0.0, 50.0, none, np.empty(0, dtype=np.int64), [], said)


SIT, STAND = int(Context.SITTING), int(Context.STANDING)
SECOND = EpochBlock(
    *(np.zeros(1, dtype=np.int8 if f.name in ("context", "flexed") else np.float64) for f in fields(EpochBlock))
)


def test_solid_slump_alerts_after_fifteen_minutes_then_after_20_and_40() -> None:
    """1 - exp(-t / 9.4 min) reaches 0.8 at 9.4 x ln 5 = 15.13 min; nobody answers, so the spacing doubles."""
    made = expected(day([SIT] * 6000, [40.0] * 6000))
    minutes = [s / 60 for s in made.alerts_s]
    assert minutes == pytest.approx([15.1, 35.1, 75.1], abs=0.1)
    assert made.creep[-1] > 0.99


def test_the_meter_recovers_standing_and_a_break_clears_the_spacing() -> None:
    made = expected(day([SIT] * 1000 + [STAND] * 180 + [SIT] * 2000, [40.0] * 3180))
    assert made.creep[1179] == pytest.approx(made.creep[999] * np.exp(-180 / (2.9 * 60)), rel=5e-3)
    first, second = made.alerts_s[:2]
    assert first == pytest.approx(908, abs=3)
    assert 1180 + 600 <= second < first + 1200


def test_sitting_under_the_threshold_never_alerts() -> None:
    assert expected(day([SIT] * 6000, [19.0] * 6000)).alerts_s == ()


def test_a_break_is_whole_over_seconds_that_no_posture_names() -> None:
    """Between two upright seconds they are upright; on the way from or to a seat they stay what they are."""
    labels = [SIT] * 1000 + [-1] * 5 + [STAND] * 80 + [-1] + [int(Context.WALKING)] * 80 + [-1] * 5 + [SIT] * 2000
    cut = day(labels, [40.0] * len(labels))
    whole = whole_breaks(cut)
    changed = np.flatnonzero(whole.labels.context != cut.labels.context)
    assert changed.tolist() == [1085]
    assert whole.labels.context[1085] == STAND
    assert expected(cut).alerts_s[1] - expected(cut).alerts_s[0] == pytest.approx(1200, abs=1)  # no break: 20 min
    assert 1165 + 600 <= expected(whole).alerts_s[1] < expected(cut).alerts_s[1]  # after a break the meter alone


def test_alerts_are_matched_within_three_minutes() -> None:
    due = expected(day([SIT] * 3000, [40.0] * 3000)).alerts_s
    assert len(due) == 2
    near = score_alerts(day([SIT] * 3000, [40.0] * 3000, alerts=(due[0] + TOLERANCE_S, 1500.0)))
    assert (near.expected, near.said, near.found, near.hit, near.not_sitting) == (2, 2, 1, 1, 0)
    assert near.off_s == (TOLERANCE_S,)
    none = score_alerts(day([SIT] * 3000, [40.0] * 3000))
    assert (none.said, none.found, none.hit) == (0, 0, 0)
    up = score_alerts(day([STAND] * 3000, [40.0] * 3000, alerts=(100.0,)))
    assert (up.expected, up.not_sitting) == (0, 1)


def test_a_verdict_is_right_only_where_it_is_the_class() -> None:
    bend = {"type": "bend", "shape": "stoop", "trunk_peak_deg": 60.0}
    truth = [{**bend, "t0": 10.0, "t1": 13.0, "cls": "rounded"}, {**bend, "t0": 30.0, "t1": 33.0, "cls": "neutral"}]
    said = [
        {"kind": "bend", "start_s": 10.0, "end_s": 13.0, "verdict": "rounded", "confidence": 0.9},
        {"kind": "bend", "start_s": 30.0, "end_s": 33.0, "verdict": "rounded", "confidence": 0.8},
        {"kind": "bend", "start_s": 50.0, "end_s": 53.0, "verdict": "unknown", "confidence": 0.6},
    ]
    one = day([STAND], [0.0])
    known = LabelledDay(one.labels, truth, 0.0, 50.0, SECOND, one.rows, said, [])
    made = sorted((c.confidence, c.right) for c in claims(known))
    assert made == [(0.6, False), (0.8, False), (0.9, True)]


def test_the_best_cut_is_a_ceiling_on_what_one_segment_can_say() -> None:
    """Flexion and sacral tilt go together in the first half and apart in the second: no cut has all of it."""
    n = 400
    flexion = np.array([10.0, 40.0] * (n // 2))
    sacrum = np.where(np.arange(n) < n // 2, -flexion, -25.0)
    labels = Labels(np.full(n, SIT, np.int8), np.ones(n, np.bool_), sacrum, flexion + sacrum, flexion)
    known = LabelledDay(labels, [], 0.0, 50.0, SECOND, np.arange(n), [], [])
    # At a cut of 25 or less: 200 flexed said, 100 not flexed said with them; beyond it 100 of 200 and none false.
    assert best_cut_f1(known, Placement.SACRUM) == pytest.approx(2 * 200 / (2 * 200 + 100))


def test_the_flexion_of_exact_inclinations_is_scored_on_seated_and_upright_seconds_with_data() -> None:
    """Off by 3 deg while sitting; what the lying second and the one without data are off by does not count."""
    apart = np.array([3.0, 3.0, 40.0, 40.0])
    context = np.array([SIT, SIT, Context.LYING, SIT], np.int8)
    labels = Labels(context, np.ones(4, np.bool_), np.zeros(4), np.full(4, 20.0), 20.0 + apart)
    epochs = EpochBlock.joined([SECOND] * 4)
    epochs.valid_fraction[:] = (1.0, 0.5, 1.0, 0.4)
    known = LabelledDay(labels, [], 0.0, 50.0, epochs, np.arange(4), [], [])
    assert difference_rmse_deg(known) == pytest.approx(3.0)
