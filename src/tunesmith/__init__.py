"""tunesmith fine-tunes pre-trained transformer models."""
