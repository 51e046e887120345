import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker.state.standing import Norm, StandingSettings, norm, stands

DAY = 86_400_000
NOW = 100 * DAY
BITS = st.integers(0, 2**64 - 1)


def looked(lived_days: float, authors: int, before: Norm = Norm(), accounts: int = 100) -> Norm:  # noqa: B008
    """The norm where all accounts lived so long and met so many authors."""
    active = np.full(accounts, NOW, np.int64)
    met = np.full(accounts, (1 << authors) - 1, np.uint64)
    acted = np.ones(accounts, np.bool_)
    known = active - int(lived_days * DAY)
    return norm(before, known, active, met, acted, NOW, StandingSettings(days=7, authors=3))


def test_where_everybody_is_new_nobody_is_too_new() -> None:
    assert looked(0, 0) == Norm(0, 0, NOW)


def test_where_people_come_once_nobody_is_too_new() -> None:
    assert looked(0.9, 60) == Norm(0, 0, NOW)


def test_a_quarter_of_what_the_median_has_is_enough() -> None:
    assert looked(4, 8) == Norm(DAY, 2, NOW)


def test_no_more_than_the_settings_say_is_asked_for() -> None:
    assert looked(400, 60) == Norm(7 * DAY, 3, NOW)


def test_a_crowd_of_new_accounts_halves_the_age_in_a_day_at_most() -> None:
    assert looked(0, 0, Norm(4 * DAY, 3, NOW - DAY)).age_ms == 2 * DAY


def test_a_few_active_accounts_make_no_norm() -> None:
    assert looked(40, 20, Norm(5, 1, 0), accounts=29) == Norm(5, 1, NOW)


def test_one_account_in_six_that_is_new_hardly_moves_the_norm() -> None:
    active, lived = np.full(600, NOW, np.int64), np.repeat([0, 20 * DAY], [100, 500])
    met = np.full(600, 0xFFF, np.uint64)
    acted, most = np.ones(600, np.bool_), StandingSettings(days=7, authors=3)
    made = norm(Norm(), active - lived, active, met, acted, NOW, most)
    assert made == Norm(5 * DAY, 3, NOW)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 5), st.booleans()), max_size=30),
    st.lists(st.tuples(st.integers(0, NOW), st.integers(0, NOW), BITS), min_size=3, max_size=3),
    st.integers(0, 8),
    st.integers(0, NOW),
)
def test_the_kernel_does_what_plain_python_does(
    rows: list[tuple[int, int, bool]], users: list[tuple[int, int, int]], authors: int, age_ms: int
) -> None:
    viewer, author, meets = (np.array([row[k] for row in rows]) for k in range(3))
    heard, created = (np.array([user[k] for user in users], np.int64) for k in range(2))
    met = np.array([user[2] for user in users], np.uint64)
    plain = [user[2] for user in users]
    expected = []
    for who, whom, meeting in rows:
        old = NOW - max(users[who][:2]) >= age_ms
        expected.append(old and plain[who].bit_count() >= authors)
        if meeting and whom >= 0 and whom != who:
            plain[who] |= 1 << (whom * 0x9E3779B97F4A7C15 % 2**64 >> 58)
    found = stands(
        viewer.astype(np.int32), author.astype(np.int32), meets.astype(np.bool_), heard, created, met,
        Norm(age_ms, authors), NOW,
    )  # fmt: skip
    assert found.tolist() == expected
    assert met.tolist() == plain
