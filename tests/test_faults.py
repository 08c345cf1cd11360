"""The checker finds seeded faults, where they are, and says little besides. `python tests/faults.py` measures 300 of them."""

from __future__ import annotations

from faults import INJECTORS, Fault, Tally, faults, reported

COUNT = 64


def test_faults_are_rejected_at_their_line() -> None:
    tally = Tally()
    for number, fault in enumerate(faults(1, COUNT, generated=8)):
        tally.add(number, fault)
    said = [f"{fault.what} in {fault.name}:{fault.line}: {[str(one) for one in found[:3]]}" for _, fault, found in tally.misses]
    assert tally.rejected == COUNT, said
    assert tally.placed >= 0.95 * COUNT and tally.alone >= 0.95 * COUNT, said


def test_faults_cover_every_area_and_are_reproducible() -> None:
    drawn = list(faults(2, len(INJECTORS), generated=8))
    assert [one.area for one in drawn] == list(INJECTORS)
    assert drawn == list(faults(2, len(INJECTORS), generated=8))


def test_a_fault_that_is_none_would_be_counted() -> None:
    tally = Tally()
    tally.add(0, Fault("names", "nothing", "right.dyn", "fn f(x: f32) -> f32:\n    return x\n", 2))
    assert not reported(tally.misses[0][1]) and tally.rejected == tally.placed == 0
