"""Words for scenes: sentences, their alignment with objects, and objects found by a phrase."""
