"""The one road of a call, from the script's promise to the tool and back."""
