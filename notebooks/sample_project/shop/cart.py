"""What a customer wants to buy."""

from dataclasses import dataclass, field


@dataclass
class Item:
    """One article in a cart; ``price`` is in cents and for one piece."""

    name: str
    price: int
    count: int = 1


@dataclass
class Cart:
    """A list of items."""

    items: list[Item] = field(default_factory=list)

    def add(self, name: str, price: int, count: int = 1) -> None:
        """Put an article into the cart."""
        # TODO: the same article twice should become one item
        self.items.append(Item(name, price, count))

    def total(self) -> int:
        """Return what all items cost together."""
        return sum(item.price for item in self.items)
