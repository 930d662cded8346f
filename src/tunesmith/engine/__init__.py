"""The training loop and what makes it fast, exact and resumable; it never imports a task or a strategy."""
