"""Who must consent to a call, who is asked, and what the answer binds."""
