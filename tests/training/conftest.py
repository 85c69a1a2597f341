"""What the tests of several trainings need."""

import pytest
import torch


@pytest.fixture
def interrupting():
    """Makes views of others: Ctrl-C comes when they are looked through a second time."""

    def make(views):
        looks = []

        def look(self):
            looks.append(self)
            if len(looks) == 2:
                raise KeyboardInterrupt
            return list.__iter__(self)

        return type("Interrupting", (type(views),), {"__iter__": look})(views)

    return make


@pytest.fixture
def resumes(tmp_path, interrupting):
    """Asserts that a training which Ctrl-C ends and which is resumed gives the same weights."""

    def check(train, views, validation, settings):
        part = tmp_path / "part"
        whole = train(views, validation, settings, tmp_path / "whole")
        with pytest.raises(KeyboardInterrupt):
            train(views, interrupting(validation), settings, part)
        resumed = train(views, validation, settings, part, resume=True)
        for name, tensor in whole.state_dict().items():
            torch.testing.assert_close(resumed.state_dict()[name], tensor, rtol=0, atol=0)

    return check
