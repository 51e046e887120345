"""What generated images were asked for, in English, as most such prompts are; {a|b} stands for one of its
alternatives."""
# ruff: noqa: E501 -- one prompt a line reads better than a wrapped one

SUBJECTS = {
    "ceramics": "{a teapot|a stack of bowls|a cracked vase|a jug} on {a kiln shelf|a windowsill|a potter's wheel}",
    "trail-running": "{a lone runner|two runners|a muddy shoe} on {a foggy ridge|a forest path|a mountain pass}",
    "bike-repair": "{an old bicycle|a bicycle wheel|a cargo bike} in {a cluttered workshop|a sunny courtyard|the rain}",
    "urban-gardening": "{tomatoes|sunflowers|a watering can|climbing beans} on {a city balcony|a rooftop|a tram stop roof}",
    "astronomy": "{a small telescope|an observatory|a child pointing up} under {the Milky Way|a ringed planet|a meteor shower}",
    "jazz": "{a trumpet player|a double bass|a piano trio|an empty stage} in {a smoky cellar|blue light|a laundromat at night}",
    "sourdough": "{a round loaf|a jar of starter|a baker's hands} on {a floured table|a stone oven ledge|a linen cloth}",
    "chess": "{a chessboard|a black knight|two old players} in {a park in autumn|a railway carriage|a flooded hall}",
    "watercolour": "{a harbour|a snowy barn|a sleeping cat|a market square} beside {an open paintbox|a jar of brushes|a rainy window}",
    "tide-pools": "{a sea hare|an anemone garden|a hermit crab|a starfish} in {a clear rock pool|a teacup|moonlit shallows}",
    "open-source": "{a laptop full of stickers|a tired programmer|a paper boat of printouts} in {a server room full of plants|a public library|a lighthouse}",
    "football": "{a muddy ball|a goalkeeper|an empty terrace|a captain's armband} under {floodlights|heavy rain|a pink evening sky}",
    "local-council": "{a town hall|a ballot box|a public meeting|a bus shelter} in {morning fog|a snow globe|a garden of paper}",
    "parenting": "{a toddler in rain boots|a pram|a lunchbox with a snail|a bedtime story} in {a sunlit kitchen|a forest of toys|a quiet hallway}",
    "train-travel": "{a night train|a dining car|a tiny station|a red locomotive} crossing {a viaduct|a frozen lake|a field of lavender}",
    "photography": "{an old camera|a darkroom|a street portrait|a contact sheet} lit by {a red lamp|neon signs|low winter sun}",
    "birds": "{a kingfisher|a heron|an owl|a cloud of starlings} above {a mill pond|a reedbed|rooftops at dusk}",
    "knitting": "{a ball of wool|a giant scarf|a sheep in a jumper|knitting needles} in {a mountain hut|an armchair by the fire|a snowy meadow}",
}

STYLES = """
made of {blown glass|folded paper|moss and bark|polished brass}, {morning light|soft shadows}, shallow depth of field, {35mm|50mm}
{oil painting|gouache|linocut print|pencil and wash}, {muted colours|warm palette|two colours only}, visible texture
{isometric diorama|stop-motion set|felt and thread miniature}, studio lighting, {pastel background|plain grey background}
{cinematic wide shot|aerial view|extreme close-up}, {volumetric fog|golden hour|overcast}, {film grain|high detail}
{children's book illustration|botanical plate|travel poster|woodblock print}, {clean lines|hand lettering|flat colour}
"""
