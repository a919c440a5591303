"""What both apps' APIs share: base views, pages, problem details, rate limits and the schema."""
