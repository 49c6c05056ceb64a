"""Phrasings for each kind of source: for training, and others held back for evaluation.

`HELD_BACK` phrasings are never shown to any stage of training; a test proves that the two lists share none.
"""

from __future__ import annotations

from collections.abc import Sequence

from selva_core.training.scenes.sounds import Rng

TRAINING: dict[str, tuple[str, ...]] = {
    "ball": (
        "a ball bouncing", "bouncing ball", "rubber ball bouncing on the floor", "a ball bounces", "ball",
        "the ball hits the ground", "a bouncing rubber ball", "basketball bouncing", "ball dribbling on the ground",
        "a thrown ball bounces lower and lower", "thud of a ball", "ball bounces on the floor", "tennis ball bouncing",
        "playing with a ball",
    ),
    "hammer": (
        "a hammer hitting an anvil", "hammer", "hammering metal", "a blacksmith hammering", "hammer strikes steel",
        "metal clang of a hammer", "hammer blows on an anvil", "striking an anvil", "anvil", "blacksmith at work",
        "a hammer pounding iron", "metal being hammered", "clanging hammer", "hammer on metal",
    ),
    "drip": (
        "water dripping", "dripping tap", "a drop of water falls", "water drops", "drip", "a leaking tap dripping",
        "dripping faucet", "drops falling into a basin", "a water drop", "faucet dripping into the sink",
        "slow drip of water", "tap dripping", "a leaky faucet", "droplets falling in water",
    ),
    "footsteps": (
        "footsteps", "someone walking", "a person walking", "footsteps of boots", "boots walking", "steps",
        "a man walks", "walking feet", "foot steps on the ground", "footsteps of a person walking", "walking",
        "shoes walking", "somebody walks in boots", "feet stepping on the floor", "the walker's steps",
    ),
    "knock": (
        "knocking on a door", "someone knocks", "a knock at the door", "knocking", "knuckles on a wooden door",
        "a hand knocking on wood", "door knock", "a fist knocking at the door", "knock knock", "rapping on a door",
        "someone knocking on the door", "door being knocked", "fist on the door", "hand knocks at a wooden door",
    ),
    "clock": (
        "a clock ticking", "ticking clock", "clock", "the tick of a clock", "tick tock", "clock ticks",
        "a wall clock ticking", "pendulum clock ticking", "an old clock", "ticking", "tick tock of a grandfather clock",
        "the clock's pendulum", "a clock on the wall ticks", "timepiece ticking",
    ),
    "bell": (
        "a bell ringing", "church bell", "bell", "a bell tolls", "ringing bell", "a big bell swings and rings",
        "bell tower ringing", "tolling bell", "a bronze bell", "swinging bell", "the bell rings", "a church bell tolling",
        "large bell ringing slowly", "bells",
    ),
    "dog": (
        "a dog barking", "dog", "barking dog", "a dog barks", "small dog barking", "the dog is barking", "dog bark",
        "a hound barking", "woof", "puppy barking", "an angry dog", "big dog barks loudly", "barking", "a dog woofs",
    ),
    "bird": (
        "a bird chirping", "bird", "birdsong", "a bird sings", "chirping bird", "bird chirps on a branch", "a small bird",
        "tweeting bird", "songbird", "a bird tweeting", "bird calls", "sparrow chirping", "chirping",
        "a little bird singing",
    ),
    "engine": (
        "a car engine", "engine", "car driving", "car engine revving", "a car", "motor running", "the car's motor",
        "an engine accelerating", "vehicle engine", "a car passes", "revving engine", "car motor", "automobile engine",
        "the engine of a car", "a driving car",
    ),
    "siren": (
        "a siren wailing", "siren", "police siren", "emergency siren", "an ambulance siren", "warning siren",
        "wailing siren", "a siren with a flashing light", "alarm siren", "fire truck siren", "the siren howls",
        "police car siren", "a rotating warning light with siren", "siren sounding",
    ),
    "rain": (
        "rain", "rain falling", "heavy rain", "it is raining", "rainfall", "raining", "rain shower", "pouring rain",
        "a cloud raining", "light rain", "the sound of rain", "rain pouring from a cloud", "rainstorm", "steady rain",
    ),
    "wind": (
        "wind", "wind blowing", "wind in a tree", "strong wind", "gusts of wind", "the wind howls", "windy weather",
        "a tree bending in the wind", "wind gust", "howling wind", "blowing wind", "a gust of wind",
        "wind blows through the leaves", "windy",
    ),
    "saw": (
        "sawing wood", "a saw", "hand saw", "a hand saw cutting wood", "someone sawing a log", "saw cutting",
        "sawing", "a handsaw in wood", "cutting a log with a saw", "wood being sawn", "saw going through wood",
        "sawing a log", "a carpenter sawing", "rasping saw",
    ),
}  # fmt: skip

TRAINING_DETAILS: dict[str, tuple[str, ...]] = {
    "gravel": (
        "footsteps on gravel", "boots on gravel", "walking on gravel", "boots on wet gravel", "steps on stones",
        "footsteps: boots on gravel", "someone walks over gravel",
    ),
    "wood": (
        "footsteps on a wooden floor", "boots on wood", "walking on floorboards", "steps on wooden planks",
        "footsteps on wood", "shoes on a wooden floor",
    ),
}  # fmt: skip

HELD_BACK: dict[str, tuple[str, ...]] = {
    "ball": ("a rubber ball dropping and bouncing", "ball bounce", "the bouncing of a ball"),
    "hammer": ("a smith's hammer on the anvil", "hammering on steel", "the blow of a hammer"),
    "drip": ("drops of water dripping from a tap", "a dripping water tap", "water drips"),
    "footsteps": ("a person's footsteps", "the sound of someone walking", "boots stepping along"),
    "knock": ("somebody is knocking at the door", "knocks on a door", "a knock on wood"),
    "clock": ("the ticking of a wall clock", "an old clock's tick tock", "a clock that ticks"),
    "bell": ("the toll of a church bell", "a heavy bell ringing", "ringing of a bell"),
    "dog": ("the bark of a dog", "a dog is woofing", "a barking puppy"),
    "bird": ("the chirp of a bird", "a singing bird", "birds chirping"),
    "engine": ("the sound of a car engine", "a car's engine running", "a revving car"),
    "siren": ("the wail of a siren", "a police car's siren", "siren alarm"),
    "rain": ("the rain is falling", "rain drizzling down", "a shower of rain"),
    "wind": ("the blowing of the wind", "a windy gust in the trees", "strong gusts of wind blowing"),
    "saw": ("a saw cutting through a log", "somebody saws wood", "the rasp of a hand saw"),
}


def prompts_of(kind: str, detail: str = "") -> tuple[str, ...]:
    """Training phrasings of a kind. detail: adds those that name its ground or material."""
    return TRAINING[kind] + TRAINING_DETAILS.get(detail, ())


def all_training_prompts() -> list[tuple[str, str]]:
    """Every training phrasing as (kind, prompt)."""
    plain = [(kind, prompt) for kind, prompts in TRAINING.items() for prompt in prompts]
    return plain + [("footsteps", prompt) for prompts in TRAINING_DETAILS.values() for prompt in prompts]


def choose_prompt(rng: Rng, prompts: Sequence[str]) -> str:
    """One phrasing, sometimes written as editors do: with a capital, a full stop, "sound of" in front."""
    prompt = str(prompts[int(rng.integers(len(prompts)))])
    style = rng.random()
    if style < 0.12:
        return prompt.capitalize()
    if style < 0.18:
        return prompt + "."
    if style < 0.22:
        return f"sound of {prompt}"
    return prompt
