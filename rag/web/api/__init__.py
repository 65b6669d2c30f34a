"""The APIs: /api/v1, the one that speaks OpenAI's protocol, and the endpoints that came before them."""
