"""What runs elsewhere: a static page that asks an installation, a Hugging Face Space."""
