"""How a person is asked for consent in a notebook, a console, or ahead."""
