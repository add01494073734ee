"""What prices look like."""

import unittest

from shop.money import as_text


class MoneyTest(unittest.TestCase):
    """Amounts for people."""

    def test_cents_have_two_digits(self) -> None:
        """Five cents are .05."""
        self.assertEqual(as_text(1205), "12.05")
