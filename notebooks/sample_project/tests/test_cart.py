"""What a cart must do."""

import unittest

from shop.cart import Cart


class CartTest(unittest.TestCase):
    """Carts."""

    def test_an_empty_cart_costs_nothing(self) -> None:
        """Nothing in it, nothing to pay."""
        self.assertEqual(Cart().total(), 0)

    def test_the_total_counts_every_piece(self) -> None:
        """Three apples cost three times as much as one."""
        cart = Cart()
        cart.add("apple", 50, count=3)
        cart.add("bread", 320)
        self.assertEqual(cart.total(), 470)
