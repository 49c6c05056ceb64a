"""Names of the Universal Category System: CatID_FXName_CreatorID_SourceID_UserData.

The system and its list are in the public domain (universalcategorysystem.com); the CatIDs here are those of
its version 8 that what people ask a picture for falls under. A prompt is matched by words, not by meaning:
what no row knows is DSGNMisc (designed, miscellaneous), never a guess.
"""

from __future__ import annotations

import re
import unicodedata

FALLBACK_CAT_ID = "DSGNMisc"
MAX_FX_NAME_CHARS = 24

# What must be in a prompt for a category, in any order; the words are compared without endings. The row whose
# phrase has the most words wins, then the one that is named first.
_PHRASES: dict[str, str] = {
    "AEROHeli": "helicopter, chopper",
    "AEROJet": "jet, airliner",
    "AEROProp": "propeller plane, biplane",
    "AERORckt": "rocket, missile",
    "AIRBlow": "air blow, leaf blower",
    "AIRHiss": "hiss, air leak",
    "ALRMBell": "alarm bell, fire alarm, school bell",
    "ALRMBuzr": "buzzer",
    "ALRMClok": "alarm clock",
    "ALRMSirn": "siren, fire engine, police car, ambulance, fire truck",
    "AMBBird": "dawn chorus, bird ambience",
    "AMBForst": "forest, woods ambience, jungle",
    "AMBMrkt": "market",
    "AMBOffc": "office",
    "AMBRest": "restaurant, cafe, bar ambience",
    "AMBRoom": "room tone",
    "AMBTraf": "traffic, busy road, highway, street",
    "AMBUrbn": "city, urban, downtown",
    "ANMLAmph": "frog, toad",
    "ANMLBat": "bat squeak",
    "ANMLCat": "cat, kitten, meow, purr",
    "ANMLDog": "dog, puppy, hound, bark, woof",
    "ANMLFarm": "cow, moo, pig, sheep, goat, donkey, bleat",
    "ANMLHors": "horse, neigh, whinny",
    "ANMLInsc": "insect, bee, fly buzz, mosquito, cricket, cicada, wasp",
    "ANMLPrim": "monkey, gorilla, ape, chimpanzee",
    "ANMLRdnt": "mouse squeak, rat, squirrel, hamster",
    "ANMLRept": "snake, lizard",
    "ANMLWcat": "lion, tiger, leopard, panther",
    "ANMLWild": "wolf, bear growl, elephant, deer",
    "BEEP": "beep, bleep",
    "BELLAnml": "cow bell, sleigh bell, cat bell",
    "BELLDoor": "door bell, doorbell",
    "BELLGong": "gong",
    "BELLHand": "hand bell, small bell",
    "BELLLrg": "church bell, swing bell, bell tower, bell toll, bronze bell, large bell, big bell",
    "BELLMisc": "bell",
    "BIRDCrow": "crow, raven, caw",
    "BIRDFowl": "chicken, hen, rooster, duck, goose, turkey",
    "BIRDMisc": "bird",
    "BIRDPrey": "eagle, hawk, owl, falcon",
    "BIRDSea": "seagull, gull",
    "BIRDSong": "songbird, birdsong, sparrow, chirp, tweet, bird sing, bird song, bird call, bird chirp, canary",
    "BIRDTrop": "parrot, peacock",
    "BOATMotr": "motorboat, speedboat",
    "BOATRow": "rowboat, oar",
    "BOATSail": "sailboat, sail flap",
    "BOATShip": "ship",
    "BOATMisc": "boat",
    "CERMBrk": "plate break, pottery break, vase break",
    "CERMImpt": "plate, ceramic, crockery",
    "CHAINMvmt": "chain",
    "CLOCKChim": "clock chime, clock strike",
    "CLOCKTick": "clock, tick, tick tock, watch tick, pendulum, timepiece",
    "CLOTHFlp": "flag, cloth flap, sheet flap, curtain flap",
    "CLOTHMvmt": "cloth, clothes, fabric, jacket, coat, rustle cloth",
    "CLOTHRip": "cloth rip, fabric tear",
    "CMPTKey": "keyboard, typing, mouse click, computer mouse",
    "COMCam": "camera, shutter",
    "COMCell": "cellphone, mobile phone, smartphone, phone vibrate",
    "COMRadio": "radio",
    "COMTelph": "telephone, phone",
    "COMTv": "television",
    "COMType": "typewriter",
    "CREAMnstr": "monster, creature",
    "CRWDApls": "applause, clap, applaud, audience clap",
    "CRWDCheer": "crowd cheer, fan cheer",
    "CRWDChld": "child play, children, playground",
    "CRWDWalla": "crowd, people talk, chatter, murmur",
    "DESTRCrsh": "collapse, debris, wreck",
    "DIRTMvmt": "gravel, sand, dirt, soil",
    "DOORCab": "cabinet, cupboard",
    "DOORGate": "gate",
    "DOORGlas": "glass door",
    "DOORHdwr": "door handle, doorknob, door hinge",
    "DOORKnck": "knock, knock door, knock wood, knock wood door, rap door, fist door, knuckle door, knuckle",
    "DOORMetl": "metal door, steel door, iron door",
    "DOORSlid": "sliding door, slide door",
    "DOORMisc": "door",
    "DOORWood": "wooden door, wood door, door creak",
    "DRWRMisc": "drawer",
    "DSGNBoom": "boom",
    "DSGNDron": "drone sound, drone tone",
    "DSGNRise": "riser",
    "DSGNRmbl": "rumble",
    "ELECArc": "electric arc, electric spark",
    "ELECBuzz": "electric hum, electric buzz, mains hum",
    "EXPLReal": "explosion, explode, blast, bomb",
    "FEETAnml": "paw, dog walk, animal walk",
    "FEETHmn": "footstep, foot step, footfall, boot, shoe, heel, walk, walker, tread, step, run, jog, foot",
    "FEETHors": "hoof, horse walk, gallop, trot, horse gallop, horse trot",
    "FGHTBf": "body fall",
    "FGHTImpt": "punch, slap, kick, fight, hit face",
    "FIREBurn": "fire, burn, flame, blaze, campfire, bonfire",
    "FIRECrkl": "crackle, fire crackle, fireplace",
    "FIREIgn": "match strike, cigarette lighter",
    "FOLYProp": "prop handling",
    "FOODCook": "cook, fry, frying pan",
    "FOODDrnk": "drink, sip, gulp",
    "FOODEat": "eat, chew, bite, crunch apple",
    "FOODGware": "wine glass, glass clink, glasses clink",
    "FOODKware": "knife chop, chop vegetable, cutting board, pot, pan",
    "FOODTware": "cutlery, fork, spoon, plate cutlery, dish",
    "FRWKMisc": "firework, firecracker",
    "GLASBrk": "glass break, glass shatter, window break, glass smash",
    "GLASImpt": "glass",
    "GUNAuto": "machine gun",
    "GUNPis": "pistol, gunshot, gun shot, gun",
    "GUNRif": "rifle",
    "GUNShotg": "shotgun",
    "HMNBrth": "breath, breathe, pant",
    "HMNCough": "cough",
    "HMNHart": "heartbeat, heart beat",
    "HMNKiss": "kiss",
    "HMNSneez": "sneeze",
    "HMNSnor": "snore",
    "HORNAir": "air horn",
    "ICEBrk": "ice break, ice crack",
    "LETHRCreak": "leather creak, saddle creak",
    "MACHAppl": "washing machine, dishwasher, fridge, vacuum cleaner, blender, microwave, hair dryer",
    "MACHElev": "elevator",
    "MACHFan": "fan, ventilator",
    "MACHInd": "factory, machine",
    "MACHOffi": "printer, photocopier",
    "MECHClik": "click",
    "MECHGear": "gear, cog",
    "MECHLock": "lock, key turn",
    "MECHSwtch": "switch, toggle",
    "METLCrsh": "metal crash",
    "METLFric": "metal scrape, metal squeal",
    "METLImpt": "metal, anvil, clang, metal hit, blacksmith, iron, steel",
    "MOTRComb": "motor, engine, generator",
    "MOTRElec": "electric motor",
    "MUSCInst": "piano, music",
    "MUSCPerc": "drum, cymbal, percussion, tambourine",
    "MUSCStr": "guitar, violin, cello, harp",
    "MUSCWind": "flute, clarinet, saxophone",
    "MUSCBrass": "trumpet, trombone, brass band",
    "NATDQuak": "earthquake",
    "OBJBag": "bag, backpack",
    "OBJCoin": "coin",
    "OBJFurn": "chair, table, sofa, furniture",
    "OBJKey": "keys, key jingle, bunch key",
    "OBJUmbr": "umbrella",
    "OBJWhled": "cart, trolley, suitcase wheel, wheelchair, shopping cart",
    "OBJWrite": "pencil, write, chalk, pen",
    "OBJZipr": "zipper, zip",
    "PAPRHndl": "paper, page, book, newspaper, page turn",
    "PAPRRip": "paper rip, paper tear, tear paper",
    "PLASImpt": "plastic",
    "RAIN": "rain, rainfall, rainstorm, downpour, drizzle, pour rain, rain drop",
    "RAINGlas": "rain window, rain glass",
    "RAINMetl": "rain metal, rain tin, rain roof tin, rain car roof",
    "RAINVege": "rain leaf, rain leaves, rain forest",
    "RAINWood": "rain wood",
    "ROCKImpt": "rock, stone, pebble",
    "SNOWMvmt": "snow",
    "SPRTCourt": "basketball, tennis, volleyball, ball, ball bounce, dribble",
    "SPRTField": "football, soccer, rugby, baseball",
    "SPRTSkate": "skate, skateboard, roller skate",
    "SPRTWntr": "ski, sledge, snowboard",
    "STORM": "storm, thunderstorm",
    "SWSH": "swish",
    "THUN": "thunder, lightning",
    "TOOLHand": "hammer, saw, screwdriver, chisel, hammer nail, wrench",
    "TOOLPowr": "drill, chainsaw, grinder, circular saw, power tool",
    "TRNSteam": "steam train, steam locomotive",
    "TRNSbwy": "subway, underground train, metro",
    "TRNTram": "tram, streetcar",
    "TRNMisc": "train, locomotive, railway",
    "VEGELeaf": "leaf, leaves, foliage, rustle leaf",
    "VEGEGras": "grass, hay, reed",
    "VEGETree": "tree, branch, twig",
    "VEHBike": "bicycle, bike, cycling",
    "VEHBrake": "brake squeal, car brake",
    "VEHBus": "bus",
    "VEHCar": "car, automobile, vehicle, car engine, car motor, car drive, taxi",
    "VEHDoor": "car door",
    "VEHHorn": "car horn, honk, horn",
    "VEHMoto": "motorcycle, motorbike, moped, scooter",
    "VEHSkid": "skid, tyre screech, tire screech",
    "VEHTruck": "truck, lorry, van, suv",
    "VEHWagn": "carriage, wagon",
    "VOXBaby": "baby, infant",
    "VOXCry": "cry, sob, weep",
    "VOXLaff": "laugh, laughter, giggle",
    "VOXScrm": "scream, shriek, shout, yell",
    "VOXSing": "sing",
    "WATRBubl": "bubble, bubbling, boil water",
    "WATRDrip": "drip, water drop, drop water, drop, droplet, drip tap, drip sink, leak tap, leaky faucet",
    "WATRFall": "waterfall",
    "WATRFlow": "stream, river, brook, creek, water flow, water",
    "WATRFoun": "fountain",
    "WATRPlmb": "tap, faucet, toilet, sink, shower",
    "WATRPour": "pour, water pour, pour glass",
    "WATRSplsh": "splash, swim, dive water",
    "WATRSurf": "surf, shore, beach",
    "WATRWave": "wave, sea, ocean",
    "WEAPArro": "arrow, bow arrow",
    "WEAPKnif": "knife",
    "WEAPSwrd": "sword, blade",
    "WEAPWhip": "whip",
    "WHSH": "whoosh",
    "WHSTHmn": "whistle",
    "WIND": "wind, breeze, wind blow",
    "WINDGust": "gust, wind gust",
    "WINDInt": "wind howl window, draught",
    "WINDVege": "wind tree, wind leaf, wind grass",
    "WINGBird": "wing, wing flap",
    "WNDWMisc": "window, shutter window, blind",
    "WOODBrk": "wood break, wood snap, wood crack",
    "WOODFric": "wood creak, creak, plank creak",
    "WOODImpt": "wood, plank, log, axe",
}

_WORD = re.compile(r"[a-z]+")
_ENDINGS = ("ing", "ies", "es", "s", "ed", "er", "e", "y")
_MIN_ROOT_CHARS = 3


def _root(word: str) -> str:
    """A word without its endings, so that "bark", "barks" and "barking" are one; what is short stays."""
    if len(word) > _MIN_ROOT_CHARS and word[-1] == word[-2]:
        return _root(word[:-1])
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _MIN_ROOT_CHARS:
            return _root(word.removesuffix(ending))
    return word


def _roots(text: str) -> list[str]:
    return [_root(word) for word in _WORD.findall(text.lower())]


_ROWS = tuple(
    (cat_id, frozenset(_roots(phrase)))
    for cat_id, phrases in _PHRASES.items()
    for phrase in phrases.split(",")
)


def find_cat_id(prompt: str, *, track: str = "") -> str:
    """The category of a prompt; a stem track that begins with a CatID of the table says it itself."""
    named = track.split()[:1]
    if named and named[0] in _PHRASES:
        return named[0]
    words = _roots(unicodedata.normalize("NFKD", prompt))
    known = set(words)
    found = [
        (len(phrase), -min(map(words.index, phrase)), cat_id) for cat_id, phrase in _ROWS if phrase <= known
    ]
    return max(found)[2] if found else FALLBACK_CAT_ID
