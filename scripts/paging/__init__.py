"""What scripts/shoot_page.py and scripts/bench_page.py need: servers, a model, a browser."""
