from benchmarks import light
from training.playground.world import World


def test_the_light_ranker_keeps_more_than_chance() -> None:
    world = World(seed=1, authors=20, viewers=25, post_count=400, days=2, vector_dimension=8)
    found = light.measure(world, trees=5, candidates=150, seed=1)
    assert found["posts_before_mean"] > 150
    assert found["random_top50_value_kept"] < found["light_ranker_top50_value_kept"] <= 1
