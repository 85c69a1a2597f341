"""What the tests of several trainings need."""

import pytest


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
