"""What words are about, one after the other."""

from cvdl.language.attention import Attention

FRAME = 3


def test_attention_moves_from_object_to_object() -> None:
    start = Attention.on(FRAME, FRAME)
    assert start.partners().tolist() == [FRAME] * 4
    # "a mug | is in a bowl | , and": object 0, then 1, then the frame
    first = start.moved(0)
    second = first.moved(1)
    assert first.moved(0) == first
    assert first.partners().tolist() == [FRAME, 0, 0, 0]
    assert second.partners().tolist() == [1, 0, 1, 1]
    between = second.moved(FRAME)
    assert between.before == {0, 1}
    assert (between.now, between.last, between.other) == (FRAME, 1, 0)
    again = between.moved(1)
    assert (again.last, again.other) == (1, 0)
    flags = between.moved(2).flags()
    assert flags[:, 0].tolist() == [1, 1, 0, 0]  # before
    assert flags[:, 1].tolist() == flags[:, 2].tolist() == [0, 0, 1, 0]  # now, last
    assert flags[:, 3].tolist() == flags[:, 4].tolist() == [0, 0, 0, 1]  # frame, focus
