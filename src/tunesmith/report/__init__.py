"""What a run leaves behind for people: its folder, the model card, the page and the table in the terminal. Plain data in, text out."""
