"""What the riddles are about. Every word is in one group only, so that one word of four can be the odd one."""

GROUPS = {
    "animal": "cat dog horse cow sheep goat pig lion tiger bear wolf fox rabbit mouse deer",
    "bird": "eagle owl crow duck swan hen robin hawk dove parrot goose",
    "colour": "red blue green yellow black white brown pink purple grey",
    "fruit": "apple pear plum grape peach lemon cherry banana mango melon",
    "part of the body": "arm leg hand foot nose ear eye knee neck toe chin",
    "garment": "shirt hat coat shoe sock dress scarf glove belt skirt",
    "tool": "hammer saw drill spade axe rake pliers chisel wrench",
    "piece of furniture": "chair table bed desk sofa shelf stool bench wardrobe",
    "vehicle": "car bus train ship plane bike truck boat tram",
    "metal": "iron gold silver copper tin zinc nickel steel",
    "drink": "milk tea coffee juice water wine beer cocoa",
    "kind of weather": "rain snow wind hail fog storm frost thunder",
    "instrument": "piano violin drum flute harp guitar trumpet cello",
    "job": "doctor nurse teacher baker farmer pilot judge cook",
    "tree": "oak pine elm birch maple willow cedar ash",
}

# relation → (how a sentence says it, pairs)
RELATIONS = {
    "opposite": (
        "the opposite of {} is {}",
        "hot cold, big small, up down, left right, fast slow, old new, rich poor, high low, hard soft, wet dry, day night,"
        " open closed, full empty, light dark, alive dead, true false, early late, near far, good bad, strong weak, thick thin,"
        " clean dirty, loud quiet, long short, first last, wide narrow",
    ),
    "young": (
        "the young of a {} is a {}",
        "cat kitten, dog puppy, horse foal, cow calf, sheep lamb, goat kid, pig piglet, lion cub, deer fawn, duck duckling,"
        " goose gosling, swan cygnet, hen chick, frog tadpole, kangaroo joey",
    ),
    "capital": (
        "the capital of {} is {}",
        "france paris, italy rome, spain madrid, japan tokyo, china beijing, egypt cairo, greece athens, norway oslo,"
        " sweden stockholm, poland warsaw, austria vienna, ireland dublin, cuba havana, peru lima, kenya nairobi,"
        " russia moscow, portugal lisbon, hungary budapest, finland helsinki, iran tehran, iraq baghdad, chile santiago",
    ),
    "past": (
        "the past of {} is {}",
        "go went, see saw, eat ate, run ran, come came, give gave, take took, write wrote, sing sang, drink drank, buy bought,"
        " think thought, bring brought, catch caught, teach taught, fly flew, grow grew, know knew, break broke, speak spoke,"
        " steal stole, drive drove, ride rode, swim swam, begin began, fall fell",
    ),
    "place": (
        "a {} works in a {}",
        "teacher school, doctor hospital, baker bakery, judge court, cook kitchen, farmer field, pilot cockpit, actor theatre,"
        " miner mine, monk abbey, sailor harbour, smith forge, chemist laboratory, painter studio, soldier barracks,"
        " librarian library, barber salon",
    ),
    "sound": (
        "the sound of a {} is a {}",
        "dog bark, cat meow, cow moo, sheep bleat, lion roar, duck quack, horse neigh, pig grunt, owl hoot, bee buzz, snake hiss,"
        " wolf howl, mouse squeak, hen cluck, bell ring, clock tick",
    ),
}
NAMES = "tom ann ben eva max lea sam mia leo ida tim zoe".split()
THINGS = "apples pears coins books stamps eggs shells cards stones pens nuts keys".split()

GROUPS = {group: words.split() for group, words in GROUPS.items()}
RELATIONS = {
    name: (sentence, [tuple(pair.split()) for pair in pairs.split(",")]) for name, (sentence, pairs) in RELATIONS.items()
}
