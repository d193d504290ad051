"""Hashes say nothing without the salt; the split of a patient depends on no other."""

import hashlib
import itertools
import stat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_sr.errors import OutputError, SettingsError
from cxr_sr.index.split import SPLITS, Salt, Shares
from tests.builders import noise, pixel_format

SALT = Salt.of("a secret of sixteen")
OTHER = Salt.of("another secret of sixteen")
HASHES = st.integers(0, 2**80 - 1).map(lambda n: f"{n:020x}")
SHARES = st.lists(st.integers(0, 10), min_size=3, max_size=3).filter(any)


def shares(weights, seed=0) -> Shares:
    total = sum(weights)
    parts = {n: w / total for n, w in zip(SPLITS, weights, strict=True)}
    return Shares(parts, seed)


class TestSalt:
    def test_one_identity_has_one_name(self):
        assert SALT.name("patient", "17", "N") == SALT.name("patient", "17", "N")

    def test_all_that_differs_has_names_that_differ(self):
        identities = [
            ("patient", "17", ""),
            ("patient", "1", "7"),
            ("patient", "", "17"),
            ("patient", '17","'),
            ("patient", "17", "N"),
            ("study", "17", ""),
            ("folder", "17"),
        ]
        names = {salt.name(*i) for i in identities for salt in (SALT, OTHER)}
        assert len(names) == 2 * len(identities)

    def test_nobody_finds_a_patient_by_trying_numbers(self):
        """No hash function gives this hash for the number alone, cut or not."""
        name = SALT.name("patient", "17", "")
        guesses = [b"17", b'["patient", "17", ""]', b"patient17"]
        algorithms = hashlib.algorithms_guaranteed - {"shake_128", "shake_256"}
        for guess, algorithm in itertools.product(guesses, algorithms):
            assert not hashlib.new(algorithm, guess).hexdigest().startswith(name)

    @pytest.mark.parametrize("text", ["", "secret", "fifteen letters"])
    def test_a_salt_that_can_be_guessed_is_refused(self, text):
        with pytest.raises(SettingsError, match=f"{len(text)} characters; expected 16"):
            Salt.of(text)


class TestKeptSalt:
    def test_a_random_salt_is_made_once(self, tmp_path):
        key = tmp_path / "index.key"
        first, second = Salt.kept_in(key), Salt.kept_in(key)
        assert first == second
        assert len(first.secret) == 32
        assert [p.name for p in tmp_path.iterdir()] == ["index.key"]

    def test_every_file_has_its_own(self, tmp_path):
        assert Salt.kept_in(tmp_path / "a") != Salt.kept_in(tmp_path / "b")

    def test_only_the_owner_may_read_it(self, tmp_path):
        Salt.kept_in(tmp_path / "index.key")
        mode = (tmp_path / "index.key").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600

    @pytest.mark.parametrize("text", ["", "no digits", "ab" * 31, "ab" * 33, "ä"])
    def test_a_file_that_holds_none_is_not_overwritten(self, tmp_path, text):
        key = tmp_path / "index.key"
        key.write_text(text)
        with pytest.raises(SettingsError, match=r"index\.key holds no salt"):
            Salt.kept_in(key)
        assert key.read_text() == text

    def test_a_missing_folder_is_told_without_its_path(self, tmp_path):
        with pytest.raises(OutputError, match=r"index\.key cannot be used") as caught:
            Salt.kept_in(tmp_path / "none" / "index.key")
        assert str(tmp_path) not in str(caught.value)


class TestPixels:
    def test_values_count_and_not_their_type(self):
        values = noise((9, 7), pixel_format(8))
        same = [values.astype(t) for t in ("u1", "<u2", ">u2", "<i2", "<i4")]
        same.append(np.asfortranarray(values))
        assert len({SALT.name_pixels(v) for v in same}) == 1

    def test_every_value_the_order_and_the_shape_count(self):
        values = noise((8, 6), pixel_format(12))
        changed = values.copy()
        changed[7, 5] ^= 1
        different = [values, changed, values[::-1], values.reshape(6, 8), values[:7]]
        assert len({SALT.name_pixels(v) for v in different}) == len(different)

    def test_the_salt_counts(self):
        values = noise()
        assert SALT.name_pixels(values) != OTHER.name_pixels(values)

    def test_signs_are_kept_apart(self):
        negative = np.array([[-1]], "i2")
        assert SALT.name_pixels(negative) != SALT.name_pixels(negative.view("u2"))


class TestShares:
    def test_what_is_written_is_what_is_meant(self):
        parts = Shares.parse("train=0.7, val=0.3", seed=3)
        assert parts == Shares({"train": 0.7, "val": 0.3}, 3)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "train",
            "train=",
            "train=0.8",
            "train=0.8,val=0.3",
            "train=0.5,train=0.5",
            "train=1.5,val=-0.5",
            "train=nan,val=0.5",
            "train=inf",
            "training=1",
            "train=0.8;val=0.2",
        ],
    )
    def test_what_cannot_be_meant_is_refused_with_an_example(self, text):
        with pytest.raises(SettingsError, match=r"as train=0\.8,val=0\.1,test=0\.1"):
            Shares.parse(text)

    @given(HASHES, SHARES, st.integers())
    def test_a_patient_has_one_side_and_it_has_a_share(self, patient, weights, seed):
        dealt = shares(weights, seed)
        side = dealt.side(patient)
        assert dealt.parts[side] > 0
        assert shares(weights, seed).side(patient) == side

    @given(st.sets(HASHES, min_size=1), st.sets(HASHES), SHARES, st.integers())
    def test_nobody_changes_sides_when_patients_are_added(
        self, patients, more, weights, seed
    ):
        dealt = shares(weights, seed)
        before = {p: dealt.side(p) for p in sorted(patients)}
        after = {p: dealt.side(p) for p in sorted(patients | more, reverse=True)}
        assert before.items() <= after.items()

    @settings(max_examples=20)
    @given(st.integers(), SHARES)
    def test_sides_get_their_shares(self, seed, weights):
        """The shares of 2000 patients are right within five standard deviations."""
        dealt = shares(weights, seed)
        sides = [dealt.side(SALT.name("patient", str(n), "")) for n in range(2000)]
        for name, share in dealt.parts.items():
            spread = 5 * (share * (1 - share) / 2000) ** 0.5
            assert abs(sides.count(name) / 2000 - share) <= spread

    def test_the_order_in_which_shares_are_written_does_not_count(self):
        patients = [SALT.name("patient", str(n), "") for n in range(50)]
        texts = ["train=0.5,val=0.3,test=0.2", "test=0.2,train=0.5,val=0.3"]
        first, second = (
            [Shares.parse(text).side(p) for p in patients] for text in texts
        )
        assert first == second

    def test_another_seed_deals_anew(self):
        patients = [SALT.name("patient", str(n), "") for n in range(200)]
        first, second = (shares([1, 1, 1], seed) for seed in (0, 1))
        moved = sum(first.side(p) != second.side(p) for p in patients)
        assert 100 < moved < 170

    def test_patients_stay_in_training_when_its_share_grows(self):
        patients = [SALT.name("patient", str(n), "") for n in range(200)]
        less = Shares.parse("train=0.7,val=0.3")
        more = Shares.parse("train=0.8,val=0.2")
        assert {p for p in patients if less.side(p) == "train"} < {
            p for p in patients if more.side(p) == "train"
        }

    def test_the_sides_of_these_patients_are_forever(self):
        """A change here would give all patients of all indexes another split."""
        dealt = Shares.parse("train=0.6,val=0.2,test=0.2", seed=1)
        sides = [dealt.side(f"{n:020x}") for n in range(24)]
        assert "".join(side[1] for side in sides) == "errerrearerararrreeerrre"
