"""All thresholds and settings, in one validated tree read from `posture.toml`.

Every default carries its unit in the name and its source in the description; "provisional" means chosen by us, with the
data it was chosen on. `docs/thresholds.md` is the same list for readers. An unknown key is an error that names it.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from posture.types import InputError, JsonValue, Preset

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


def _hour_and_minute(text: str) -> str:
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise ValueError("input should be a time of day as 22:00")
    return text


ClockTime = Annotated[str, AfterValidator(_hour_and_minute)]

_TUNED = "provisional: chosen on labelled days 21-28 (simulated from recorded motion)"
_SEATS = "provisional: chosen on SisFall's odd-numbered people"
_DESK = "provisional: chosen on labelled days 21-28 and 61-70, whose desk sitting is parametric"
_MADE = "provisional: chosen on simulated people, seeds 1-20"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TimebaseConfig(_Section):
    """Gaps of one sensor, as missing samples / nominal rate, with half a sample of tolerance."""

    restart_min_s: Positive = Field(
        0.25,
        description="s; shorter gaps are interpolated linearly (3.2 deg; 3.8 with the orientation held from 0.1 s on; BROAD with "
        "5 % of frames lost); from here the orientation restarts from tilt, bias kept (interpolating over 1 s costs 19-56)",
    )
    distrust_after_restart_s: NonNegative = Field(
        1.0,
        description="s; no trust this long after a restart, however calm (BROAD, gaps of 1 s: 24 deg in it, 4 after)",
    )
    calm_min_s: NonNegative = Field(
        0.5,
        description="s of calm samples after a restart until its orientation is trusted; BROAD, gaps of 1 s: 1.7 deg from then "
        "to 3 s, 4.1 from the first second alone; 2.2 and 3.1 on recorded motion",
    )
    calm_share: Share = Field(
        0.1,
        description="share of gravity by which a calm force may be off it; holds a gain 3 % high and some motion; ours",
    )
    distrust_longest_s: NonNegative = Field(
        3.0,
        description="s after which a restart is trusted anyway, for wearers who run on and parts with a gain far off (1.8 deg "
        "from 3 to 5 s on BROAD, 1.5 on recorded motion)",
    )
    frozen_min_s: Positive = Field(
        30.0,
        description="s; a part that repeats one reading for longer is stuck: noise alone would change it; ours, long "
        "enough for made-up signals without noise to hold a pose",
    )
    gap_max_s: Positive = Field(48 * 3600.0, description="s; a longer jump forwards is a broken clock, not a gap; ours")


class ClippingConfig(_Section):
    """Samples at the end of the sensor's range: the same extreme value three times in a row names a limit."""

    acc_min_g: Positive = Field(
        1.15,
        description="g on one axis; less may be rest: gravity with 3 % of gain, 0.1 g of offset; ours",
    )
    gyr_min_dps: Positive = Field(
        100.0, description="deg/s on one axis; less is no range that a part has; smallest one sold is 125; ours"
    )
    recover_s: NonNegative = Field(
        6.0,
        description="s after the gyroscope's limit in which the orientation is not trusted: BROAD cut at 250 deg/s is off by "
        "15 deg RMS after 2-3 s, 7 after 3-4, 2.5 after 4-6, 0.8 from then on, as uncut",
    )


class FusionConfig(_Section):
    """Orientation filter."""

    filter: str = Field(
        "auto",
        pattern="^(auto|vqf|builtin|ahrs-madgwick|ahrs-mahony|ahrs-ekf|tilt)$",
        description="auto = vqf, or builtin where vqf is not installed, or tilt without a gyroscope; "
        "vqf is the most accurate on BROAD; the ahrs filters are slow and for comparison",
    )
    tau_acc_s: Positive = Field(
        3.0, description="s; accelerometer time constant, the filter paper's default (Laidig and Seel 2023)"
    )
    bias_clip_dps: Positive = Field(
        15.0, description="deg/s; the default of 2 gives 12 deg at 10 deg/s bias, 15 mends it (measured on BROAD)"
    )
    rest_gyr_dps: Positive = Field(
        0.5,
        description="deg/s; vqf: a sensor whose rate strays further than this from its own mean of 0.5 s does not lie still. vqf's "
        "default of 2 takes somebody who sways on a chair for still, and learns the sway as bias: flexion 1.12 deg, 0.98 with "
        "0.3 to 1, on labelled days 21-24, 121-123 and 126-128, on which it was chosen; BROAD 0.754, 0.755 with this",
    )
    start_bias_sigma_dps: Positive = Field(
        0.2,
        description="deg/s; how well the gyroscope bias of a calibration is known: stands were off by 0.15 RMS, and one that is "
        "off by 1 costs no more than an unknown one (inclination 0.83 and 0.82 deg in the first minutes); " + _TUNED,
    )
    tilt_cutoff_hz: Positive = Field(
        0.6, description="Hz; low-pass of the accelerometer where there is no gyroscope; ours, provisional"
    )


class ClockConfig(_Section):
    """A sensor's clock against the host's, from packet arrivals and time exchanges."""

    window_s: Positive = Field(
        10.0, description="s; one point of the lower envelope of (arrival - device time); design default"
    )
    window_packets: Annotated[int, Field(ge=1)] = Field(
        5, description="packets; a window with fewer has no sure lower envelope; ours"
    )
    reach_s: Positive = Field(
        3600.0,
        description="s; points older than this are forgotten; design default (drift error <= 0.1 ppm over 60 min, simulated)",
    )
    refit_s: Positive = Field(
        60.0, description="s; a new fit at most this often; design default for exchanges of times"
    )
    slope_min_s: Positive = Field(
        600.0,
        description="s; no drift before points span this; design default (error 37-117 ppm after 2 min, 2-7 after 10; simulated)",
    )
    slope_se_max_ppm: Positive = Field(
        5.0,
        description="ppm; no drift with a larger standard error; provisional: amid the 2-7 ppm of 10 min (simulated)",
    )
    lead_s: Positive = Field(
        1.0, description="s; a fit comes into force this long after it was made, behind all that was given out; ours"
    )
    history_s: NonNegative = Field(
        0.5,
        description="s; largest step back of a fit that loses nothing: the longest burst of BLE retransmissions; ours",
    )
    rate_span_s: Positive = Field(
        5.0,
        description="s; a sensor's samples wait this long at a boot or another configuration, until its clock has told their rate: "
        "to 0.01 % where it dates them to 1 ms; ours",
    )
    rate_off_max: Share = Field(
        0.1,
        description="relative; a measured rate that is further from the declared one is not used; parts are off by per cents; ours",
    )
    jump_max_s: Positive = Field(
        30.0,
        description="s; counter and arrival may part by this from frame to frame, and by rate_off_max of the time between; more is "
        "another count; above any delay of a link; ours",
    )


class JoinConfig(_Section):
    """Two sensors on one grid."""

    late_max_s: Positive = Field(0.5, description="s; a sensor later than this leaves the tick to the other one; ours")


class CalibrationConfig(_Section):
    """Poses to frames and range."""

    still_rate_max_dps: Positive = Field(
        6.0, description="deg/s; largest median angular rate of a pose that must be still; " + _TUNED
    )
    pose_sd_max_deg: Positive = Field(
        1.5, description="deg; largest SD of the inclination within a held pose; design default"
    )
    closure_max_deg: Positive = Field(
        3.0, description="deg; largest change of upright from `stand` to `stand_end`; design default"
    )
    slump_span_min_deg: Positive = Field(
        8.0, description="deg; smallest sacrum range from tall to slumped that can judge sitting; design default"
    )
    upper_span_min_deg: Positive = Field(
        15.0,
        description="deg; the same for the upper lumbar alone, where leaning forward looks like a slump; " + _TUNED,
    )
    axis_off_max_deg: Positive = Field(
        15.0, description="deg; medio-lateral axis this far from nominal: named as turned; design default"
    )
    rom_fallback_deg: Positive = Field(
        48.0, description="deg; population lumbar flexion range, used and flagged where none was measured"
    )
    rom_min_deg: Positive = Field(20.0, description="deg; a smaller measured range is not believed as a range; ours")
    bias_still_min_s: Positive = Field(
        5.0, description="s; shortest pose that a gyroscope bias is measured in; design default"
    )
    bias_table_sd_max_dps: Positive = Field(
        0.6, description="deg/s; largest SD of each gyroscope axis of a sensor on a table; design default"
    )
    bias_stand_sd_max_dps: Positive = Field(
        2.5, description="deg/s; the same while standing, where a body sways (1.1-2.0 seen); " + _TUNED
    )
    bias_force_sd_max_mps2: Positive = Field(
        0.5, description="m/s^2; largest SD of each accelerometer axis in both (0.05 g); design default"
    )
    bend_min_deg: Positive = Field(
        12.0,
        description="deg; a bend pose that leans less cannot show the bending axis: from here it is within 5 deg; "
        + _TUNED,
    )
    bend_sure_deg: Positive = Field(
        25.0, description="deg; where the deepest bend leaned less, it is said that the axis is less sure; ours"
    )
    axis_apart_max_deg: Positive = Field(
        10.0,
        description="deg; bending axis by the gyroscope this far from the one by the accelerometer: repeat the bends (at "
        "most 4.5 apart on labelled days 21-28); design default",
    )
    stand_min_s: Positive = Field(
        2.5,
        description="s; a shorter `stand` or `stand_end` is refused: 5 s of standing less a second at each end; ours",
    )
    held_min_s: Positive = Field(
        3.0, description="s; a seated pose held for less is remarked on: it should be 8 s; ours"
    )
    seated_off_deg: Positive = Field(
        2.0, description="deg; a seated pose in which no sensor is further than this from standing was not seated; ours"
    )
    walk_min_s: Positive = Field(
        3.0,
        description="s; a shorter calibration walk is not used: 10 steps take 5-6 s, less a second at each end; ours",
    )
    walk_bounce_min_mps2: Positive = Field(
        0.4,
        description="m/s^2; a walk that bounces less shows no steps (1.3 at the least on labelled days 21-28); "
        + _TUNED,
    )
    quick_walk_max_deg: Positive = Field(
        12.0,
        description="deg; walking against standing, changed by more since the full calibration: repeat that (10 at the "
        "most on labelled days 21-28, whose walks differ more than a wearer's own); " + _TUNED,
    )
    quick_mount_max_deg: Positive = Field(
        45.0, description="deg; a sensor put on otherwise by more cannot take over the bending axis; ours"
    )
    quick_age_max_days: Positive = Field(
        7.0, description="days; a full calibration that is older should be repeated: weekly; design default"
    )


class SelfCalibrationConfig(_Section):
    """Upright and forward where no poses were recorded."""

    search_s: Positive = Field(
        1800.0, description="s of the start of a recording in which walking, standing and leans are looked for; ours"
    )
    search_longer_s: Positive = Field(7200.0, description="s instead, where nobody walked in the first search; ours")
    walking_max_mps2: Positive = Field(
        6.0, description="m/s^2; a second whose force spreads more is running or worse, not walking; ours"
    )
    walking_min_s: Positive = Field(20.0, description="s of walking that show upright; design default")
    walking_agree_deg: Positive = Field(
        20.0, description="deg; walking seconds further from their common direction are left out; " + _TUNED
    )
    near_walking_s: Positive = Field(
        8.0, description="s; who is still this close to walking is taken to stand; " + _TUNED
    )
    standing_off_deg: Positive = Field(12.0, description="deg; standing is at most this far from walking; " + _TUNED)
    standing_sd_max_mps2: Positive = Field(0.3, description="m/s^2; force of a still second spreads less; " + _TUNED)
    standing_min_s: Positive = Field(10.0, description="s of such standing that are better than walking itself; ours")
    upright_max_deg: Positive = Field(
        40.0, description="deg; without walking only a sensor this close to its nominal z axis may be upright; ours"
    )
    lean_min_deg: Positive = Field(20.0, description="deg; a lean from upright and back that shows the axis; " + _TUNED)
    lean_end_deg: Positive = Field(10.0, description="deg from upright at which it begins and ends; " + _TUNED)
    lean_max_s: Positive = Field(15.0, description="s; a longer one may be sitting; " + _TUNED)
    lean_agree_deg: Positive = Field(
        30.0, description="deg; leans further from the common plane are left out; " + _TUNED
    )
    leans_needed: Annotated[int, Field(ge=2)] = Field(5, description="leans that make an axis; " + _TUNED)
    forward_share: Share = Field(
        0.75,
        description="share of leans to one side that makes it forward (0.83 or more in 15 of the 16 wears of labelled days 21-28); "
        + _TUNED,
    )


class ContextConfig(_Section):
    """Standing, walking, sitting, lying from tilt, gait and chair transitions; one-second steps."""

    lag_s: Annotated[int, Field(ge=1, le=30)] = Field(
        5, description="s; an epoch is said once, this long after it ended; design default"
    )
    lying_tilt_deg: Positive = Field(
        65.0,
        description="deg; more is lying: smallest lying tilt seen 84, largest sitting 51 (waist and back recordings)",
    )
    prone_min_s: NonNegative = Field(
        10.0,
        description="s; a trunk hanging forward of lying_tilt_deg is a stoop until it lasts this long; design default",
    )
    low_tilt_deg: Positive = Field(40.0, description="deg; between this and lying a held posture is neither; " + _TUNED)
    gait_default_mps2: Positive = Field(
        1.6, description="m/s^2; bounce of walking where no calibration walk was recorded; " + _TUNED
    )
    gait_cut: Positive = Field(
        0.35, description="share of the wearer's own walking bounce where still turns into walking; " + _TUNED
    )
    gait_cut_regular: Positive = Field(
        0.1,
        description="the same where the steps are wholly regular: a bounce over it counts as one over `gait_cut`; provisional: "
        "chosen on labelled days 21-28 and the odd-numbered people of SisFall",
    )
    regular_from: Share = Field(
        0.3,
        description="autocorrelation from which a bounce begins to be regular; provisional: chosen as `gait_cut_regular`",
    )
    regular_full: Share = Field(
        0.6,
        description="autocorrelation of wholly regular steps; provisional: median of weak seconds of SisFall's slow walking",
    )
    walking_trunk_max_deg: Positive = Field(
        35.0,
        description="deg; a trunk leaning further than this rarely walks: repeated bends bounce like steps; " + _TUNED,
    )
    seated_pelvis_max_deg: Positive = Field(
        30.0, description="deg; a pelvis tilted further forward is rarely seated; " + _TUNED
    )
    stand_sd_deg: Positive = Field(4.0, description="deg; spread of quiet standing around its neutral; " + _TUNED)
    stand_lateral_sd_deg: Positive = Field(
        3.0,
        description="deg; spread to the side of quiet standing: 95 % within 3 (HAPT, odd people), within 4 (labelled days 21-28)",
    )
    sit_lateral_sd_deg: Positive = Field(
        7.0,
        description="deg; the same of sitting: half beyond 6 (HAPT, odd people, phones), a tenth beyond 5-10 (days)",
    )
    stand_back_max_deg: Positive = Field(
        20.0,
        description="deg; who leans back further rarely stands: standing at most 13 (labelled days), 7 (HAPT, odd people)",
    )
    sit_sd_deg: Positive = Field(6.0, description="deg; spread of sitting around the person's seated range; " + _TUNED)
    tilt_weight: Positive = Field(
        0.03, description="share of a second's tilt evidence that is new (seconds are not independent); " + _TUNED
    )
    change_per_s: Positive = Field(
        1e-7, description="1/s; chance of a change between sitting and standing with no transition seen; " + _TUNED
    )


class MovementConfig(_Section):
    """Lean movements between two quiet moments: the evidence for a chair."""

    step_s: Positive = Field(0.2, description="s; means over this are searched for peaks; ours")
    rise_min_deg: Positive = Field(
        10.0,
        description="deg; smallest rise of the lean to count; design default 15 lowered, the verdict is left to the evidence; "
        + _TUNED,
    )
    reach_s: Positive = Field(
        3.0, description="s; how far before and after the peak quiet ends are sought; transitions last 2.6-3.2 s (HAPT)"
    )
    far_s: Positive = Field(
        8.0,
        description="s; how far before the peak a quiet start is sought where `reach_s` has none; turning to a chair took 6 (HAPT)",
    )
    inner_s: Positive = Field(0.4, description="s; quiet ends lie at least this far from the peak; ours")
    quiet_dps: Positive = Field(
        8.0,
        description="deg/s; mean rate (with 10 deg/s per m/s^2 of vertical acceleration) that counts as quiet; "
        + _TUNED,
    )
    unquiet_m: Positive = Field(
        0.3, description="m; lever from the angular rate at an end to its unknown vertical velocity; ours"
    )
    height_tilt_max_deg: Positive = Field(
        62.0,
        description="deg; no height is taken where an end is tilted more: seated belts recline by up to 56 (HAPT, odd "
        "people); labelled days 21-28 are the same at 50",
    )
    end_lean_max_deg: Positive = Field(
        35.0, description="deg; a lean that begins or ends bent further forward is no chair; " + _TUNED
    )
    height_sd_m: Positive = Field(
        0.09, description="m; error of the strapdown height change (0.085 measured on recorded motion)"
    )
    chair_height_m: Positive = Field(0.36, description="m; height change of a chair; sd chair_height_sd_m; " + _TUNED)
    chair_height_sd_m: Positive = Field(0.10, description="m; " + _TUNED)
    posture_weight: Positive = Field(
        0.5, description="share of the posture's evidence after a lean that counts, next to its height; " + _TUNED
    )
    chair_prior: Share = Field(0.15, description="share of leans that are chair transitions; " + _TUNED)


class SittingConfig(_Section):
    """Flexed sitting and the time-in-flexion meter."""

    flexed_on_pct: Positive = Field(60.0, description="% of own range; office workers sit at 43-79 %; design default")
    flexed_off_pct: Positive = Field(
        50.0, description="% of own range; a bout ends under this for longer than bout_end_s; design default"
    )
    slump_on_pct: Positive = Field(
        62.0,
        description="slump index; 62 is 60 % of range where tall sits near 15 % and full slump near 88 %; design default",
    )
    slump_off_pct: Positive = Field(
        52.0, description="slump index; end of a bout, and of `flexed` at the sacrum; design default"
    )
    slump_full_pct: Positive = Field(
        58.0,
        description="slump index; the meter's drive is 1 from here on; design default 62 (0.59 of the alerts found, not 0.64); "
        + _DESK,
    )
    bout_end_s: Positive = Field(10.0, description="s; how long under the off level ends a bout; design default")
    bout_min_s: Positive = Field(
        60.0, description="s; a shorter stay in flexion is in the epochs, not an event of its own; ours"
    )
    sacrum_share: Share = Field(
        0.92,
        description="share of the bouts said with the sacrum alone that are flexed, 23 of 25: factor on their confidence; "
        + _TUNED,
    )
    upper_share: Share = Field(0.76, description="the same with the upper lumbar alone, 13 of 17; " + _TUNED)
    hold_over_gap_s: Positive = Field(
        600.0,
        description="s; the meter holds through this much gap, then recovers as if sitting out of flexion; design default",
    )
    ramp_pct: Positive = Field(
        20.0,
        description="% ; the meter's drive falls linearly from 1 at the start level (at the sacrum slump_full_pct) to 0 this far "
        "under it; design default",
    )
    start_raised_pct: NonNegative = Field(
        0.0,
        description="% of range (points) by which the meter's start lies over its level, with the sacrum too; `posture run` "
        "sets it in the weeks after the first from what that showed; `flexed` stays as it is; design default",
    )
    start_quantile: Share = Field(
        0.6,
        description="share of the first week's seated seconds under the level that the start begins at; design default",
    )
    start_falls_pct: Positive = Field(
        5.0, description="% of range (points) a week by which a raised start falls; design default"
    )
    start_raised_most_pct: Positive = Field(
        15.0,
        description="% of range (points); more is not raised: the end of the range, 80 %, is told from the second week on; ours",
    )
    start_seated_min_h: Positive = Field(
        2.0, description="h of judged sitting in the first week without which nothing is raised; ours, provisional"
    )
    load_tau_min: Positive = Field(
        9.4, description="min; creep of lumbar tissue under flexion, loading; design default from the creep literature"
    )
    recover_tau_min: Positive = Field(
        2.9, description="min; recovery standing, walking or lying; design default from the creep literature"
    )
    recline_behind_slump_deg: Positive = Field(
        8.0,
        description="deg; sacrum this far behind full slump is leaning back: flexion not judged with one sensor; design default",
    )

    def start_words(self) -> str:
        """What a raised start means, in a sentence."""
        return f"The time-in-flexion meter fills at {self.start_raised_pct:.0f} points over its usual level."


class SeatConfig(_Section):
    """With the sacrum alone: what of a seated pelvis's tilt is the seat's and not the back's."""

    moves_dps: Positive = Field(
        2.6, description="deg/s, mean over a second; more is a movement, breathing and swaying stay under 2; " + _DESK
    )
    movement_max_s: Positive = Field(
        12.0, description="s; over a longer movement nothing is said of what it changed, and the tilt is believed; ours"
    )
    still_s: Annotated[int, Field(gt=0)] = Field(3, description="s at rest that end a movement; ours")
    before_s: Annotated[int, Field(gt=0)] = Field(
        5, description="s at rest, at most, that a movement is held against; ours"
    )
    sideways_deg: Positive = Field(
        1.25,
        description="deg sideways over a movement from which it is a shift on the seat; a seated pelvis sways by less between two "
        "looks (95 % under 1.0); provisional: chosen on labelled days 21-28, 61-68, 121-126, 131 and 301-312, whose desk sitting "
        "is parametric",
    )
    least_deg: Positive = Field(
        1.5,
        description="deg; a lesser change without a sideways part is no shift, but sway between two looks; " + _DESK,
    )
    lean_deg: Positive = Field(
        6.0,
        description="deg; a quick change from this on is a lean (forward) or a slump (back), a lesser one a shift on the seat, "
        "or straight forward sitting up; " + _DESK,
    )
    lean_max_s: Positive = Field(
        45.0,
        description="s; forward for longer is taken for sitting up, until then the back is held to be as it was; "
        + _DESK,
    )
    smooth_s: Positive = Field(
        60.0, description="s; time constant of the level's running mean between movements; " + _DESK
    )
    anew_pct: Positive = Field(
        25.0, description="% of the slump index; a level this far off its running mean begins it anew; ours"
    )
    stay_apart_s: Positive = Field(20.0, description="s off the seat that begin another stay; ours")
    start_s: Annotated[int, Field(gt=0)] = Field(
        15, description="s at rest at the beginning of a stay that are looked at; ours"
    )
    start_tall_pct: Positive = Field(10.0, description="% of the slump index; where stays begin tall; " + _DESK)
    start_slumped_pct: Positive = Field(75.0, description="% of the slump index; where stays begin slumped; " + _DESK)
    start_sd_pct: Positive = Field(7.0, description="% of the slump index; SD of either among stays; " + _DESK)
    start_seat_sd_pct: Positive = Field(
        10.0, description="% of the slump index; SD of what the seat adds, 2 deg on a span of 22; " + _DESK
    )
    start_anyhow: Share = Field(0.3, description="share of stays that begin neither tall nor slumped; " + _DESK)


class BendsConfig(_Section):
    """Forward bends of the trunk and how the lumbar spine was held in them."""

    trunk_on_deg: Positive = Field(
        28.0,
        description="deg; upper lumbar inclination that makes a bend; the design default 30 loses bends that just reach it; "
        + _TUNED,
    )
    trunk_off_deg: Positive = Field(15.0, description="deg; back under this ends it; design default")
    sacrum_on_deg: Positive = Field(
        13.0, description="deg; with the sacrum alone; design default 15 (recall 0.81 against 0.92); " + _TUNED
    )
    sacrum_off_deg: Positive = Field(8.0, description="deg; with the sacrum alone; " + _TUNED)
    hold_min_s: Positive = Field(
        0.2,
        description="s over the on level; the design default 0.7 loses quick pick-ups (recall 0.77 against 0.98); "
        + _TUNED,
    )
    sacrum_hold_min_s: Positive = Field(
        0.3, description="s; with the sacrum alone; the design default 0.7 loses a third of the bends; " + _TUNED
    )
    seat_height_m: Positive = Field(0.3, description="m gained or lost over a lean: a way on or off a chair; " + _SEATS)
    seat_longest_s: Positive = Field(3.0, description="s; longer leans have no height worth the name; " + _SEATS)
    roll_deg: Positive = Field(
        10.0,
        description="deg; sacrum, from before to after a lean, back with a loss of height or forward with a gain: a seat; "
        + _SEATS,
    )
    roll_longest_s: Positive = Field(6.0, description="s; longest lean whose ends are compared so; ours")
    sideways_max_deg: Positive = Field(
        25.0, description="deg; sacrum alone: a pelvis that also swings this far sideways is turning; " + _TUNED
    )
    shake_max_mps2: Positive = Field(
        3.0,
        description="m/s^2 SD of the vertical acceleration: more is a leap, no bend with the sacrum alone or on doubted samples; "
        + _TUNED,
    )
    long_from_s: Positive = Field(
        2.5, description="s; sacrum alone: a lean longer than this is held, and held leans are quiet; " + _SEATS
    )
    long_shake_max_mps2: Positive = Field(
        0.8,
        description="m/s^2 SD of the vertical acceleration in a long lean: more is a short sit or stairs (stoops stay under 0.4); "
        + _SEATS,
    )
    shallow_deg: Positive = Field(
        20.0, description="deg; sacrum alone: a lean that stays under this is shallow; " + _TUNED
    )
    shallow_rate_dps: Positive = Field(
        30.0, description="deg/s; a shallow lean that goes down no faster is a squat or a lunge, not a bend; " + _TUNED
    )
    merge_s: NonNegative = Field(1.5, description="s; a shorter pause joins two bends; design default")
    pause_share: Share = Field(
        0.27,
        description="share of the smaller of two leans; a pause that comes up this far parts them, however short; "
        + _TUNED,
    )
    longest_s: Positive = Field(
        600.0, description="s; a lean open for longer is a held posture, not a bend; bounds memory; ours"
    )
    deep_trunk_deg: Positive = Field(60.0, description="deg; deep, upper lumbar; design default")
    deep_sacrum_deg: Positive = Field(35.0, description="deg; deep, sacrum alone; design default")
    sustained_s: Positive = Field(10.0, description="s; a sustained lean; design default")
    rounded_share: Positive = Field(
        0.48, description="share of own range at the peak: rounded (sens 0.97, spec 0.96 on 106 recorded bends)"
    )
    neutral_share: Positive = Field(0.40, description="share of own range: less may be neutral; design default")
    neutral_pelvis_share: Share = Field(
        0.43,
        description="pelvis share of the lean above which a small difference is neutral (0.66 +- 0.15 recorded); the design "
        "default 0.60 leaves 37 of 306 neutral bends mixed; " + _TUNED,
    )
    rounded_uncalibrated_deg: Positive = Field(
        22.0, description="deg; instead of the share where the range was not measured (0.95/0.96)"
    )
    rounded_min_s: Positive = Field(0.3, description="s over the rounded level; design default")
    trusted_share: Share = Field(
        0.8, description="share of a bend on measured samples under which its confidence falls to this share; ours"
    )
    error_sd_deg: Positive = Field(
        4.0, description="deg; error of the peak difference that the confidence assumes; " + _TUNED
    )
    lean_even_deg: Positive = Field(
        54.1,
        description="deg; upper lumbar alone: lean at which rounded and not are as likely; "
        "`python -m analysis.validation.bend_model`, 36 recorded bends of 4 people",
    )
    lean_scale_deg: Positive = Field(
        13.0, description="deg; of lean by which the log odds of rounded rise by one; from the same recorded bends"
    )
    own_hinge_deg: Positive = Field(
        15.0, description="deg deeper than the own hinges of the calibration before one sensor says rounded; " + _TUNED
    )
    one_sensor_from: Share = Field(
        0.7, description="probability from which a verdict of one sensor is said; design default"
    )


class ChairConfig(_Section):
    """Verdict of chair rises and sit-downs (two sensors)."""

    lasts_min_s: Positive = Field(
        5.0, description="s; the new posture lasts at least this long; design default (min state)"
    )
    short_min_s: Positive = Field(
        2.0, description="s; so does one that is left again by a second chair transition, if it looks like one; ours"
    )
    short_looks_nat: Positive = Field(
        3.0,
        description="natural log; least likelihood ratio of that posture, sitting against standing, in its clearest second; "
        "provisional: chosen on labelled days 21-28, 121-130",
    )
    confidence_min: Share = Field(
        0.6,
        description="least confidence of both postures around a chair transition; " + _TUNED,
    )
    further_down_m: Positive = Field(
        0.2,
        description="m; who goes this much further down within lasts_min_s had no seat, but a knee on the floor; ours",
    )
    rounded_pct: Positive = Field(75.0, description="% of own range; a normal rise needs 56-66 %; design default")
    neutral_pct: Positive = Field(
        66.0, description="% of own range; up to here a rise is as people do it; design default"
    )
    plunge_s: Positive = Field(
        0.8, description="s; a way down onto a chair that is shorter may be a plunge; design default"
    )
    plunge_mps: Positive = Field(0.7, description="m/s; so may one that is faster; design default")
    plunge_impact_mps2: Positive = Field(
        4.9, description="m/s^2 (half a g) upwards at its end, at least, for a plunge; design default"
    )


class ClimbConfig(_Section):
    """Height gained or lost between two stops near upright: a kneel is not a stand."""

    step_s: Positive = Field(0.2, description="s; means over this are still or not; ours")
    shortest_s: Positive = Field(0.6, description="s; shortest way between two stops; ours")
    longest_s: Positive = Field(4.0, description="s; longest way over which the height is taken; ours")
    still_dps: Positive = Field(
        8.0,
        description="deg/s; mean rate (with 10 deg/s per m/s^2 of vertical acceleration) of a stop; as for movements; ours",
    )
    upright_deg: Positive = Field(
        25.0, description="deg; tilt of a stop, at most: sitting up with straight legs leans back by 28; " + _TUNED
    )
    height_min_m: Positive = Field(0.15, description="m; less is none: the error of the height is 0.09; ours")
    get_up_min_s: Positive = Field(
        2.0, description="s; shortest way from lying to upright: 2.8 (HAPT, odd people); a knee hug takes 1; ours"
    )
    get_up_s: Positive = Field(
        6.4, description="s; longest way from lying to a stop near upright over which the height is taken; ours"
    )
    upright_after_s: Positive = Field(
        10.0,
        description="s; longest way from lying to being upright over which its lean and its fastest rise are looked at; ours",
    )
    seat_sd_m: Positive = Field(
        0.12,
        description="m; spread of the height gained from lying to sitting, over up to 4 s (HAPT, odd people: 0.00 +- 0.11); "
        "it grows with the square of the time beyond",
    )
    stand_height_m: Positive = Field(
        0.6, description="m; height gained from lying to standing: 0.4 from a bed, 0.85 from the floor; ours"
    )
    stand_sd_m: Positive = Field(0.25, description="m; its spread; ours")


class FloorConfig(_Section):
    """Getting down to and up from the floor or a bed."""

    lying_min_s: Positive = Field(1.2, description="s of lying before a direction may be said; design default")
    lying_settled_s: Positive = Field(
        10.0, description="s of lying that make lying down from a seat an event; design default"
    )
    longest_s: Positive = Field(20.0, description="s; longest transition; design default")
    shortest_s: Positive = Field(2.0, description="s; shortest transition; design default")
    rounded_pct: Positive = Field(
        60.0, description="% of own range in the transit: rounded straight sit-up; design default"
    )
    half_kneel_pct: Positive = Field(50.0, description="% of own range: less can be a half-kneel; design default")
    roll_min_deg: Positive = Field(
        50.0, description="deg; rolled this far before pitching up is a log-roll; design default"
    )
    turned_deg: Positive = Field(
        7.0, description="deg; side lean on the way of a turn or a half-kneel (9-25 seen); one sensor; " + _TUNED
    )
    straight_deg: Positive = Field(
        5.5,
        description="deg; side lean of a straight way, at most (0.8-5 seen): a straight sit-up rounds; one sensor; "
        + _TUNED,
    )
    deep_trunk_deg: Positive = Field(
        67.0,
        description="deg; trunk leaning further forward on the way is a straight, rounded one (59-106 seen; else 20-66); upper "
        "lumbar alone; provisional: chosen on labelled days 21-28 and simulated people, seeds 1-20",
    )
    roll_error_deg: Positive = Field(
        1.0,
        description="deg; distance from the side lean's cut at which a one-sensor verdict grows sure; provisional: chosen on "
        "labelled days 21-28, simulated people 1-20 and the odd-numbered people of HAPT",
    )
    kneel_min_m: Positive = Field(0.2, description="m; height between standing and one knee, at least; " + _MADE)
    kneel_max_m: Positive = Field(
        0.65, description="m; height between standing and one knee, at most; more is sitting on the floor; " + _MADE
    )
    kneel_pause_s: Positive = Field(
        4.0, description="s; longest pause on one knee that is still on the way; design default 3 and a second; ours"
    )
    seat_log_ratio: Positive = Field(
        1.0,
        description="log likelihood ratio of a sitting against a standing posture with which a way up ends seated; sacrum alone; "
        + _TUNED,
    )
    prone_min_s: Positive = Field(
        6.0,
        description="s of lying face down before a direction may be said: shorter ones are deep bends (2-5 seen); "
        + _TUNED,
    )
    error_deg: Positive = Field(
        4.0, description="deg; distance from the rounded cut at which a verdict grows sure; " + _TUNED
    )
    quiet_dps: Positive = Field(6.0, description="deg/s; mean rate of a second that stands still; " + _TUNED)
    paused_dps: Positive = Field(
        15.0, description="deg/s; mean rate of a second that pauses between two movements; " + _TUNED
    )
    upright_deg: Positive = Field(25.0, description="deg; tilt of a second that is upright; " + _TUNED)


class MatConfig(_Section):
    """Turning over and curling up while lying."""

    roll_min_deg: Positive = Field(50.0, description="deg; turned over by this is a roll; design default")
    still_dps: Positive = Field(6.0, description="deg/s; mean rate of a second at rest; " + _MADE)
    curl_pct: Positive = Field(60.0, description="% of own range while lying on the back: curled up; design default")
    curl_min_s: Positive = Field(2.0, description="s curled up that are an event; design default")
    curl_tilt_min_deg: Positive = Field(
        45.0, description="deg; tilt of a pelvis that is curled up on the back (50-90 seen); " + _TUNED
    )
    curl_max_dps: Positive = Field(
        25.0,
        description="deg/s; mean rate of a second that stays curled up: sitting up turns at 40 and more; " + _TUNED,
    )
    error_deg: Positive = Field(
        4.0, description="deg; distance from the curl's cut at which it grows sure; as for the floor's; ours"
    )


class RepsConfig(_Section):
    """Repetitions on the feet: down or forward, and back to where it was."""

    half_s: Positive = Field(
        1.5, description="s before and after that the body is compared with: half a repetition; ours"
    )
    slow_half_s: Positive = Field(2.2, description="s; the same for one that pauses at the bottom; " + _MADE)
    drop_m: Positive = Field(0.25, description="m lower than then is a full excursion; ours: a shallow squat")
    lean_deg: Positive = Field(40.0, description="deg further forward than then is a full excursion; ours: a hip hinge")
    pelvis_deg: Positive = Field(28.0, description="deg; the same of the pelvis, with the sacrum alone; ours")
    on_share: Positive = Field(0.6, description="share of a full excursion, from which the body is out; " + _MADE)
    off_share: Positive = Field(
        0.15, description="share of a full excursion in the other direction, from which it is back; " + _MADE
    )
    longest_s: Positive = Field(8.0, description="s out, at most: who stays longer has sat down or holds; ours")
    mat_deg: Positive = Field(
        1.2, description="deg of pelvis that are a full excursion while lying: off-load control moves it by 2; " + _MADE
    )
    mat_trunk_deg: Positive = Field(
        2.5,
        description="deg; the same of the trunk, with the upper lumbar sensor alone: breathing moves it by 0.7; "
        + _MADE,
    )
    mat_tilt_deg: Positive = Field(60.0, description="deg; tilt from which repetitions are those of a mat; ours")


class ExerciseConfig(_Section):
    """Sets of exercise, how their form is judged, and practice holds."""

    least_reps: Annotated[int, Field(ge=2)] = Field(
        3, description="repetitions that open a set which was not declared; ours"
    )
    least_mat_reps: Annotated[int, Field(ge=2)] = Field(5, description="the same, lying; ours")
    reps_sure: Annotated[int, Field(ge=2)] = Field(
        6, description="repetitions at an even pace that are a set even where the first ones are rounded; ours"
    )
    steady_spread: Share = Field(
        0.3, description="share of their mean by which the times between repetitions of an even pace spread; " + _MADE
    )
    shortest_s: Positive = Field(1.2, description="s; a repetition that is shorter is a bounce; ours")
    least_m: Positive = Field(
        0.18, description="m down that make a repetition on the feet, at least: steps reach 0.16; or " + _MADE
    )
    least_deg: Positive = Field(15.0, description="deg of lean that do; ours")
    top_tilt_deg: Positive = Field(
        12.0, description="deg; tilt at the top of a repetition, at most; sets seen: 2; " + _TUNED
    )
    declared_tilt_deg: Positive = Field(
        25.0, description="deg; the same, in a declared workout: quick toe touches overshoot by 20 (trial 14_20); ours"
    )
    no_step_m: Positive = Field(0.45, description="m down that no step goes, in a declared workout; ours")
    top_dps: Positive = Field(
        15.0,
        description="deg/s for half a second at the top of a repetition, at most: walking turns at 30, and who bends over and over "
        "at work does not rest; not asked for in a declared workout; " + _TUNED,
    )
    step_top_dps: Positive = Field(
        2.5,
        description="deg/s; the same where it hardly leans and its seconds seem walking: lunges do, by their steps; "
        + _TUNED,
    )
    gap_s: Positive = Field(4.0, description="s between two repetitions of a set, at most; ours")
    declared_gap_s: Positive = Field(20.0, description="s; the same, in a declared workout; ours")
    alike_m: Positive = Field(0.2, description="m by which repetitions of a set may differ in depth; " + _TUNED)
    alike_deg: Positive = Field(25.0, description="deg by which they may differ in lean; " + _TUNED)
    alike_one_deg: Positive = Field(
        30.0,
        description="deg; the same with the sacrum alone: when the back rounds the pelvis leans less; " + _MADE,
    )
    alike_share: Share = Field(0.4, description="share of the set's own, whichever is more; " + _TUNED)
    begun_pct: Positive = Field(
        60.0,
        description="% of own range: a set that begins with this and more in each repetition is daily bending; ours",
    )
    confidence_min: Share = Field(
        0.6, description="least probability of an exercise that is named, or opens a set which was not declared; ours"
    )
    clean_deg: Positive = Field(15.0, description="deg of lumbar change of a clean repetition; design default")
    clean_pct: Positive = Field(35.0, description="% of own range, if that is more; design default")
    roll_deg: Positive = Field(8.0, description="deg of tip to a side of a clean repetition; design default")
    mat_clean_deg: Positive = Field(
        5.0, description="deg that the pelvis moves in a clean repetition lying; design default of the brace"
    )
    most_mat_deg: Positive = Field(
        25.0,
        description="deg that it moves at the most where it was not declared: 9-17 where form fails (simulated); more is turning "
        "over, or a sensor in a hand; ours",
    )
    failed_deg: Positive = Field(
        5.0, description="deg over the mean of repetitions 1-3 of one whose form failed; design default"
    )
    failed_pct: Positive = Field(20.0, description="% over that mean, if that is more; design default")
    side_min_deg: Positive = Field(
        2.5,
        description="deg of tip from which a repetition has a side: 0-2 without one (labelled days), 5 simulated; ours",
    )
    still_dps: Positive = Field(
        6.0, description="deg/s; mean rate of a second of a hold; as for a rest on the mat; ours"
    )
    unrest_s: NonNegative = Field(3.0, description="s of movement that a hold outlasts; ours")
    on_back_deg: Positive = Field(30.0, description="deg turned about the long axis, at most, on the back; ours")
    brace_min_s: Positive = Field(5.0, description="s; shortest declared brace; ours")
    brace_tilt_deg: Positive = Field(
        4.0, description="deg of pelvis with which tilt has crept into a brace; design default 3-5"
    )
    hip_min_s: Positive = Field(10.0, description="s; shortest hold of a hip stretch, of 30 that are due; ours")
    hold_drift_deg: Positive = Field(8.0, description="deg of drift that a hold allows; design default")
    towel_min_s: Positive = Field(120.0, description="s still on the back that may be the towel; design default")
    towel_max_s: Positive = Field(
        360.0, description="s; longer is a rest, where it was not declared; design default 5 min and one; ours"
    )
    towel_share: Share = Field(
        0.5,
        description="share of rests of that length that are the towel, where it was not declared; ours, not measured",
    )


class WearConfig(_Section):
    """When the sensor is not on a body."""

    window_s: Positive = Field(60.0, description="s; over this long nothing may move; ours: four breaths at the least")
    rate_spread_max: Positive = Field(
        0.5,
        description="share of the least one-second rate by which the rate may vary: 0.3-0.4 by noise, 0.7 and more by breathing; "
        "provisional: chosen on simulated tables, readers and sleepers",
    )
    spread_max_deg: Positive = Field(
        0.2,
        description="deg; spread of one-second tilts on a table (0.15 with a noisy part); breathing moves a back by 0.5; ours",
    )
    non_wear_min_s: Positive = Field(600.0, description="s off the body that are non-wear; design default")
    shaken_mps2: Positive = Field(
        0.08,
        description="m/s^2; bounce of a second in which something that lies is shaken: a bag, a car seat; breathing gives 0.02; "
        "provisional: chosen on simulated bags and car seats, weeks 1-5",
    )
    shaken_off_deg: Positive = Field(
        50.0, description="deg back or to a side from which a shaken sensor is as good as lying: nobody walks so; ours"
    )
    apart_max_deg: Positive = Field(
        90.0,
        description="deg between the uprights of two sensors that no back can bring about: it bends by 60-70, and by 63 at most on "
        "the labelled days 21-28; ours",
    )
    shaken_share: Share = Field(
        0.4,
        description="share of window_s that is shaken while lying: no body lies so; exercises on a mat pause; "
        "provisional: chosen on simulated car seats, weeks 1-5",
    )
    shaken_min_s: Positive = Field(
        180.0,
        description="s shaken while lying, in one stretch, after which the sensors may have been put on anew; sets of exercises "
        "on a mat took up to 60 on labelled days 21-28; ours",
    )
    bridge_s: NonNegative = Field(
        120.0, description="s between two stretches off the body, a bag put down, that belong to it; ours"
    )
    off_share: Share = Field(0.4, description="share of a stretch that must be seen to be off the body; ours")


class SlipConfig(_Section):
    """When a sensor has moved on the back, by the walking of the calibration."""

    bout_min_s: Positive = Field(15.0, description="s of walking that make a bout to compare; ours")
    bout_max_s: Positive = Field(90.0, description="s of walking after which a bout speaks before its end; ours")
    error_deg: Positive = Field(
        2.0, description="deg; how far two bouts of walking agree by chance (1-4 on labelled days 21-28); " + _TUNED
    )
    ask_deg: Positive = Field(8.0, description="deg off in two bouts in a row: ask for a new neutral; design default")
    pause_deg: Positive = Field(10.0, description="deg off in two bouts in a row: nothing is scored; design default")
    off_gap_s: Positive = Field(
        1200.0, description="s without samples after which the sensors may have been off the body, a shower; ours"
    )
    settle_min_s: Positive = Field(
        20.0, description="s of walking that make a new neutral after the sensors may have been off; design default"
    )
    put_on_max_deg: Positive = Field(
        40.0, description="deg off by more than this it was put on in another way: no new neutral from walking; ours"
    )


class TrustConfig(_Section):
    """What a lesser wear does to confidence and verdicts."""

    self_calibrated: Share = Field(
        0.8,
        description="factor on every confidence where upright was taken from the recording; provisional, ours: not measured yet",
    )
    accelerometer_only: Share = Field(
        0.8,
        description="factor on every confidence where a sensor has no gyroscope; provisional, ours: not measured yet",
    )
    valid_share: Share = Field(
        0.8, description="share of valid ticks of a second under which its confidence falls to this share; ours"
    )
    verdict_rate_min_hz: Positive = Field(
        20.0, description="Hz; sensors slower than this count leans without a verdict; design default"
    )


class AlertsConfig(_Section):
    """When a detection may become a nudge."""

    preset: Preset = Field(Preset.BALANCED, description="balanced | quiet | coach; design default")
    creep_min: Share = Field(0.80, description="meter level: 15.1 min of solid flexed sitting; design default")
    sitting_min_s: Positive = Field(180.0, description="s of confident sitting before a sitting alert; design default")
    upright_break_s: Positive = Field(120.0, description="s standing or walking that count as a break; design default")
    after_break_s: Positive = Field(600.0, description="s of grace after a break; design default")
    spacing_min: Positive = Field(
        20.0, description="min between sitting alerts; doubles while unanswered; design default"
    )
    spacing_max_min: Positive = Field(80.0, description="min; the doubling stops here; design default")
    sitting_per_day: Annotated[int, Field(ge=0)] = Field(
        8, description="sitting alerts a day, after week one; design default"
    )
    sitting_first_week: Annotated[int, Field(ge=0)] = Field(
        4, description="sitting alerts a day in the first week of `posture run`; design default"
    )
    lean_spacing_s: Positive = Field(
        600.0, description="s between cues of one kind on bends and floor transitions; design default"
    )
    lean_per_day: Annotated[int, Field(ge=0)] = Field(
        6, description="cues a day of one kind on bends and floor transitions; design default"
    )
    confidence_min: Share = Field(0.70, description="least confidence of what an alert judges; design default")
    after_transition_s: NonNegative = Field(
        10.0, description="s after a chair transition without a sitting alert; design default"
    )
    after_chair_s: NonNegative = Field(3.0, description="s after a chair transition without a bend cue; design default")
    coach_min: Positive = Field(
        30.0,
        description="min from the start of the session in which `coach` says every verdict; then as balanced; design default",
    )
    quiet_from: ClockTime | None = Field(
        None,
        description="HH:MM on the wall; quiet hours: no alert from then to `quiet_to`, over midnight too; ours",
    )
    quiet_to: ClockTime | None = Field(
        None, description="HH:MM on the wall; end of the quiet hours, not included; ours"
    )

    @model_validator(mode="after")
    def _whole_span(self) -> Self:
        if (self.quiet_from is None) != (self.quiet_to is None):
            raise ValueError("quiet_from and quiet_to go together; give both, or none")
        if self.quiet_from is not None and self.quiet_from == self.quiet_to:
            raise ValueError("quiet_from and quiet_to are the same time; for a silent day use posture pause")
        return self


class Config(_Section):
    """Everything that can be set; the defaults work with no file."""

    timebase: TimebaseConfig = TimebaseConfig()
    clipping: ClippingConfig = ClippingConfig()
    fusion: FusionConfig = FusionConfig()
    clock: ClockConfig = ClockConfig()
    join: JoinConfig = JoinConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    self_calibration: SelfCalibrationConfig = SelfCalibrationConfig()
    context: ContextConfig = ContextConfig()
    movement: MovementConfig = MovementConfig()
    sitting: SittingConfig = SittingConfig()
    seat: SeatConfig = SeatConfig()
    bends: BendsConfig = BendsConfig()
    chair: ChairConfig = ChairConfig()
    climb: ClimbConfig = ClimbConfig()
    floor: FloorConfig = FloorConfig()
    mat: MatConfig = MatConfig()
    reps: RepsConfig = RepsConfig()
    exercise: ExerciseConfig = ExerciseConfig()
    wear: WearConfig = WearConfig()
    slip: SlipConfig = SlipConfig()
    trust: TrustConfig = TrustConfig()
    alerts: AlertsConfig = AlertsConfig()

    def with_preset(self, preset: Preset | None) -> Config:
        """Same settings under another alert preset; None leaves it."""
        if preset is None:
            return self
        return self.model_copy(update={"alerts": self.alerts.model_copy(update={"preset": preset})})

    def as_json(self) -> dict[str, JsonValue]:
        """Settings in force, for the session record."""
        return self.model_dump(mode="json")


def load_config(path: Path | None) -> Config:
    """Read a TOML file; None gives the defaults.

    Raises
    ------
    InputError
        The file cannot be read, is not TOML, or has a key or value that does not fit; the sentence names it.
    """
    if path is None:
        return Config()
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"there is no configuration file {path}; leave --config away to use the defaults") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the configuration file {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {error}") from error
    return parse_config(tree, source=str(path))


def parse_config(tree: dict[str, Any], *, source: str) -> Config:
    """Check a parsed TOML tree; raises InputError naming the first key that does not fit and what it may have meant."""
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise InputError(f"{source}: unknown key `{key}`{_meant(key)}") from error
        said = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{source}: `{key}`: {said[0].lower()}{said[1:]} (got {first['input']!r})") from error


def known_keys() -> dict[str, str]:
    """Every key as `section.name` with its description: unit and source."""
    return {
        f"{section}.{name}": item.description or ""
        for section, part in Config.model_fields.items()
        for name, item in type(part.default).model_fields.items()
    }


def _meant(key: str) -> str:
    known = [*known_keys(), *Config.model_fields]
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    return f"; did you mean `{near[0]}`?" if near else f"; sections are {', '.join(Config.model_fields)}"


def thresholds_page() -> str:
    """docs/thresholds.md: every setting with its default, unit and source. Printed by `python -m posture.config`."""
    lines = [
        "# Thresholds and settings",
        "",
        "Every number that decides something, as it is in force without a configuration file. To change one, write it into",
        "`posture.toml` under its section (`posture about` says where), for example:",
        "",
        "```toml",
        "[sitting]",
        "flexed_on_pct = 55",
        "```",
        "",
        '"Provisional" means chosen by us, on the data named; "design default" is the starting value of the design; "ours" is',
        "a choice that nothing was measured for. This page is made by `python -m posture.config`.",
    ]
    for section, item in Config.model_fields.items():
        part = type(item.default)
        lines += [
            "",
            f"## [{section}]",
            "",
            (part.__doc__ or "").splitlines()[0],
            "",
            "| key | default | unit, meaning, source |",
            "|---|---|---|",
        ]
        for name, setting in part.model_fields.items():
            default = "none" if setting.default is None else getattr(setting.default, "value", setting.default)
            lines.append(f"| `{name}` | {default} | {setting.description} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(thresholds_page(), end="")  # noqa: T201
