"""How far the experts agree, and what that says of people, of clips, and of the machines."""
