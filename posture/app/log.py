"""`posture log`: exercise log and diary, kept in the store. Entries are added and taken back, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Literal

import typer

from posture.app.options import PackOption, PersonOption, day_of, today
from posture.vocabulary import InputError

app = typer.Typer(
    help="""What you did and how it felt: the programme goes by it.

An entry is of today, or of --day. A day begins at 04:00, so what you
log after midnight belongs to the evening before. Nothing is ever
overwritten: posture log undo takes the last entry back and keeps it
on record; a red flag only with --redflag.

Leave away what you do not know; it then counts as not known.

Example: posture log exercise squat --reps 10 --clean 8 --pain 1"""
)

_NOTHING = "Nothing in the log yet. Next: posture log --help"
_RED_FLAG = "red_flag"
_EARLIEST = date(1900, 1, 1)
"""No living person's entry is of an earlier day: a slip of the finger."""
DayOption = Annotated[
    str | None, typer.Option("--day", help="Which day, as 2026-03-02. Default: today.", show_default=False)
]
PainOption = Annotated[
    int | None, typer.Option("--pain", min=0, max=10, help="Worst pain in the set, 0-10.", show_default=False)
]


@app.command()
def exercise(
    name: Annotated[
        str, typer.Argument(metavar="EXERCISE", help="Its id; posture programme list shows them.", show_default=False)
    ],
    reps: Annotated[int, typer.Option("--reps", min=1, max=1000, help="Repetitions that you did.", show_default=False)],
    clean: Annotated[
        int | None, typer.Option("--clean", min=0, max=1000, help="How many of them were clean.", show_default=False)
    ] = None,
    first_failed: Annotated[
        int | None,
        typer.Option(
            "--first-failed", min=1, max=1000, help="The first repetition whose form changed.", show_default=False
        ),
    ] = None,
    pain: PainOption = None,
    pain_before: Annotated[
        int | None,
        typer.Option("--pain-before", min=0, max=10, help="Pain before the set, 0-10.", show_default=False),
    ] = None,
    load: Annotated[float | None, typer.Option("--load", min=0, max=500, help="Load, kg.", show_default=False)] = None,
    side: Annotated[
        Literal["left", "right"] | None,
        typer.Option("--side", help="Which side, where that matters.", show_default=False),
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(
            "--step", min=1, max=99, help="Step, 1 the easiest. Default: the one that was due.", show_default=False
        ),
    ] = None,
    day: DayOption = None,
    pack: PackOption = None,
    person: PersonOption = None,
) -> None:
    """One set of an exercise.

    Clean repetitions and pain decide what comes next: a set for which
    nobody wrote them down does not pass a gate.

    Example: posture log exercise squat --reps 10 --clean 8 --first-failed 9 --pain 1 --pain-before 1
    """
    numbers = {"reps": reps, "clean_reps": clean, "first_failed_rep": first_failed, "step": step, "load_kg": load}
    body = {"exercise": id_of(name), **numbers, "side": side, "pain": pain, "pain_before": pain_before}
    _add("exercise", body, day=day, pack=pack, person=person)


@app.command()
def practice(
    name: Annotated[
        str, typer.Argument(metavar="PRACTICE", help="Its id; posture programme list shows them.", show_default=False)
    ],
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.1, max=600, help="How long, min.", show_default=False)
    ] = None,
    ended: Annotated[
        str | None,
        typer.Option("--ended", metavar="TIME", help="When it ended, local time: 21:10.", show_default=False),
    ] = None,
    day: DayOption = None,
    pack: PackOption = None,
    person: PersonOption = None,
) -> None:
    """A practice without repetitions: towel, ice, hip mobility.

    With --ended, how you got up afterwards can be told from it.

    Example: posture log practice towel --minutes 3 --ended 21:10
    """
    body = {"practice": id_of(name), "minutes": minutes, "ended": None if ended is None else _time(ended)}
    _add("practice", body, day=day, pack=pack, person=person)


@app.command()
def pain(
    level: Annotated[int, typer.Argument(metavar="LEVEL", min=0, max=10, help="0 none to 10.", show_default=False)],
    leg: Annotated[bool, typer.Option("--leg", help="It spreads into a leg.")] = False,
    when: Annotated[
        Literal["morning", "evening", "other"], typer.Option("--when", help="Which time it was.")
    ] = "other",
    day: DayOption = None,
    pack: PackOption = None,
    person: PersonOption = None,
) -> None:
    """How much it hurts, 0-10; best asked each morning and evening.

    0 counts too: days without pain are known only where they were written down.

    Example: posture log pain 2 --when morning
    """
    _add("pain", {"level": level, "leg": leg, "when": when}, day=day, pack=pack, person=person)


@app.command()
def avoid(
    tag: Annotated[
        str, typer.Argument(metavar="TAG", help="What it was; posture programme list names them.", show_default=False)
    ],
    day: DayOption = None,
    pack: PackOption = None,
    person: PersonOption = None,
) -> None:
    """You did something that the programme leaves out; it answers with its swap.

    Example: posture log avoid knee_hug
    """
    _add("avoid", {"tag": id_of(tag)}, day=day, pack=pack, person=person)


@app.command()
def stairs(
    flights: Annotated[
        int, typer.Argument(metavar="FLIGHTS", min=0, max=1000, help="Flights of stairs.", show_default=False)
    ],
    uneven: Annotated[bool, typer.Option("--uneven", help="One side was harder than the other.")] = False,
    day: DayOption = None,
    pack: PackOption = None,
    person: PersonOption = None,
) -> None:
    """Stairs of the day; the sensors do not count them yet.

    Example: posture log stairs 6 --uneven
    """
    _add("stairs", {"flights": flights, "uneven": uneven}, day=day, pack=pack, person=person)


@app.command()
def redflag(
    what: Annotated[list[str], typer.Argument(metavar="WHAT", help="What you noticed.", show_default=False)],
    day: DayOption = None,
    pack: PackOption = None,
    person: PersonOption = None,
) -> None:
    """A sign with which to see a clinician without waiting. All coaching stops.

    It goes on after posture log clearance.

    Example: posture log redflag numbness in the saddle area
    """
    _add(_RED_FLAG, {"what": " ".join(what)}, day=day, pack=pack, person=person)


@app.command()
def clearance(day: DayOption = None, pack: PackOption = None, person: PersonOption = None) -> None:
    """A clinician agreed that the programme goes on after a red flag.

    Example: posture log clearance
    """
    _add("clearance", {}, day=day, pack=pack, person=person)


@app.command("list")
def list_(
    last: Annotated[int, typer.Option("--last", min=1, help="How many of the newest entries.")] = 20,
    all_: Annotated[bool, typer.Option("--all", help="Those that were taken back too.")] = False,
    person: PersonOption = None,
) -> None:
    """The newest entries, in the order in which they were given.

    Example: posture log list --last 5
    """
    from posture.app.places import store_path
    from posture.app.summary import say
    from posture.store import Store

    path = store_path(person)
    if not path.exists():
        say(_NOTHING)
        return
    with Store(path) as store:
        entries = store.diary.entries(undone=all_)
    for entry in entries[-last:]:
        mark = "  (taken back)" if entry.undone_utc else ""
        say(f"{entry.day}  {_told(entry.kind, entry.body)}{mark}")
    if not entries:
        say(_NOTHING)


@app.command()
def undo(
    redflag: Annotated[
        bool,
        typer.Option("--redflag", help="The last red flag, which was a mistake: coaching goes on without a clinician."),
    ] = False,
    person: PersonOption = None,
) -> None:
    """Take back the entry that you gave last. Again: the one before it.

    The entry stays on record (posture log list --all) and counts no more.
    A red flag is taken back only by its name: posture log undo --redflag.
    """
    from posture.app.places import store_path
    from posture.app.summary import say
    from posture.store import Store

    path = store_path(person)
    gone = None
    if path.exists():
        with Store(path) as store:
            newest = store.diary.entries()[-1:]
            if not redflag and newest and newest[0].kind == _RED_FLAG:
                raise InputError(
                    f"the last entry is a red flag ({newest[0].body['what']}): posture log clearance when a clinician agreed that "
                    "you go on; posture log undo --redflag only if it was logged by mistake"
                )
            gone = store.diary.undo(datetime.now(UTC), kind=_RED_FLAG if redflag else None)
    if gone is None:
        what = "red flag" if redflag else "entry"
        raise InputError(f"there is no {what} to take back; posture log list shows what there is")
    say(f"Taken back: {gone.day}  {_told(gone.kind, gone.body)}")
    if redflag:
        say("This one stops the coaching no more. If you did notice it, log it again.")


def _add(kind: str, body: Mapping[str, object], *, day: str | None, pack: Path | None, person: str | None) -> None:
    """Check an entry against the pack, keep it, say so, and show what it means at once."""
    from analysis.programme.diary import checked
    from analysis.programme.fitting import answer
    from analysis.programme.pack import load_pack
    from analysis.programme.progress import stop_of
    from analysis.stored import entries_of
    from posture.app.places import store_path
    from posture.app.summary import say
    from posture.store import Store

    on = today() if day is None else day_of(day, "--day")
    if on > today():
        raise InputError(f"--day {on} is not here yet; log it when it is done")
    if on < _EARLIEST:
        raise InputError(f"--day {on} lies before {_EARLIEST.year}; write the day on which it was, as 2026-03-02")
    loaded = load_pack(pack)
    entry = checked({"day": on, "kind": kind, **{k: v for k, v in body.items() if v is not None}})
    note = answer(loaded, entry)
    kept = entry.model_dump(mode="json", exclude={"day", "kind"}, exclude_defaults=True)
    with Store(store_path(person)) as store:
        store.diary.put(day=on, kind=kind, body=kept, logged_utc=datetime.now(UTC))
        entries = entries_of(store)
    say(f"Logged: {on}  {_told(kind, kept)}")
    if note:
        say(note)
    # The answer is of the entry's own day: what was noted later is not told of it, and what is over by now is.
    stop = stop_of(loaded, [e for e in entries if e.day <= on])
    if stop is not None:
        say(f"You noted: {stop.what}. {stop.text}")
        say(loaded.notice)


_TOLD = {
    "reps": "{} reps",
    "clean_reps": "{} clean",
    "first_failed_rep": "form changed at rep {}",
    "side": "{} side",
    "step": "step {}",
    "load_kg": "{:g} kg",
    "pain": "pain {}",
    "pain_before": "pain {} before",
    "minutes": "{:g} min",
    "ended": "until {:.5}",
    "leg": "into a leg",
    "flights": "{} flights",
    "uneven": "one side harder",
}
"""Keys of an entry for reading; of the others the value says enough."""


def _told(kind: str, body: Mapping[str, object]) -> str:
    """`exercise squat, 10 reps, 8 clean, 2 kg` from the keys of an entry, in their order."""
    parts = (_TOLD.get(key, "{}").format(value) for key, value in body.items())
    return f"{kind.replace('_', ' ')} {', '.join(parts)}".strip()


def id_of(text: str) -> str:
    """`Hip hinge` and `hip-hinge` mean `hip_hinge`."""
    return text.strip().lower().replace(" ", "_").replace("-", "_")


def _time(text: str) -> str:
    try:
        return time.fromisoformat(text).isoformat()
    except ValueError:
        raise InputError(f"--ended {text!r} is no time of day; write it as 21:10") from None
