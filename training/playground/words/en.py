"""Sentences in English. One post a line; {a|b} stands for one of its alternatives."""
# ruff: noqa: E501 -- one post a line reads better than a wrapped one

TOPICS = {
    "ceramics": """
Pulled {a tall vase|three mugs|a lidded jar|a pair of bowls} off the wheel today and {none of them collapsed|only one went lopsided|the walls are finally even}.
The {ash|celadon|copper red|tenmoku} glaze came out {darker|glossier|runnier} than the test tile. {I think I prefer it.|Back to the notebook.|The kiln decides, as always.}
Kiln opening at {six|seven|noon} tomorrow. {Forty|Sixty|Two dozen} pots in there and I have slept {badly|about three hours}.
Wedging {stoneware|porcelain|recycled clay} for an hour is the cheapest {therapy|gym|meditation class} I know.
Does anybody have a reliable way to stop {handles cracking|plates warping|lids sticking} while they dry?
Sold {two|four|nine} {tumblers|teapots|soup bowls} at the Saturday market. {The wonky one went first.|The blue ones never even reached the table.}
First try at {slab building|coil building|sgraffito|nerikomi}. It looks like {a child made it|a very small castle|something from a museum basement} and I love it.
Somebody at the studio left the {bung out|vent closed|cone pack in the wrong place}, so {the whole shelf is overfired|we are all learning patience}.
""",
    "trail-running": """
{Twelve|Eighteen|Twenty-two} kilometres through the {pine woods|fog|quarry path} before breakfast. {Legs are mud to the knee.|Saw one fox and zero people.}
New shoes, first {long run|descent|race}. {No blisters.|One blister, left heel.|They grip like a goat.}
The climb to the {chapel|radio mast|ridge} never gets shorter, but today I {ran all of it|only walked once|stopped to look at the view and called it training}.
What do you eat after {three|four|five} hours out? I am tired of {gels|dates|salty potatoes}.
Race report: {forty-second|ninth|last but happy}, {1,400|2,100|900} metres up, {one wrong turn|two falls|a lot of soup at the aid station}.
Head torch died {halfway down|at the stream crossing|two minutes from the car}. Always carry the spare. I {did not|did, for once}.
Rest day. I {stretched|cleaned the shoes|stared at the map} and {planned the next one|felt lazy|ate everything}.
If you are new to hills: {short steps|walk early|look three metres ahead}, and nobody at the back is judging you.
""",
    "bike-repair": """
Rear hub on a {1980s tourer|cargo bike|commuter} today: {nine|eighteen} dry bearings and a {spider|surprising amount of sand} inside.
If your chain skips under load, measure it first. A {ten euro|cheap} gauge saves a {sixty|ninety} euro cassette.
Free repair table on {Saturday|Sunday} outside the library. Bring {punctures|squeaky brakes|wobbly wheels}, we bring {tea|the tools}.
Truing a wheel by ear: pluck, listen, {quarter|half} a turn. It took me {two years|one very long winter} to trust it.
Who decided that {this bottom bracket|internal cable routing|this seatpost size} was a good idea? I would like {a word|to see the drawings}.
Saved a {steel frame|child's bike|folding bike} from the skip. {New cables, new tape, good as gold.|It needs everything, and it will get it.}
Disc brake squeal, day {three|four}. {Sanded the pads, cleaned the rotor, still singing.|It was a loose bolt. Of course it was.}
Taught {my neighbour|six teenagers|my mother} to fix a flat today. {Four minutes, no swearing.|The second one went much faster.}
""",
    "urban-gardening": """
Balcony report: {eleven tomatoes|one proud courgette|more mint than anyone needs} and {no aphids yet|a visiting bumblebee|a pigeon with opinions}.
Sowed {broad beans|spinach|garlic} in the old {wine crates|paint buckets} this morning. {Now we wait.|The cat has already inspected them.}
Our courtyard compost is {finally warm|steaming|full of worms}. {Eight flats, one heap, no smell.|I am unreasonably proud.}
Does {basil|coriander|chard} survive on a north window, or am I being cruel?
The plot by the {tram stop|car park|old bakery} has been adopted. {Calendula|Kale|Sunflowers} first, then we will see.
Swapped {cuttings|seeds|two jars of honey} with the people upstairs. {That is how a house becomes a street.|I got the better deal.}
Slugs {one|three}, me {nil|zero}. Trying {copper tape|beer traps|a torch at midnight} next.
Watering tip: {a wine bottle upside down|a clay pot buried in the box} kept everything alive for {a week|nine days}.
""",
    "astronomy": """
Clear sky at last. {Saturn|Jupiter and two moons|The Orion nebula} through a {60 mm|second-hand 8 inch|borrowed} telescope, from a {car park|roof|field}.
Stacked {ninety|two hundred} frames of {Andromeda|the Pleiades|the Veil} and got {a smudge I am proud of|real colour for the first time}.
{Three|Seven} meteors in an hour and {one very loud owl|frozen toes|no cloud}. {Worth it.|I would do it again tonight.}
If you buy one thing, buy {binoculars|a red torch|a reclining chair}. The telescope can wait.
The new street lights have taken {two magnitudes|the whole Milky Way} from us. {Who do I write to?|They could at least point down.}
Showed {my niece|a bus driver|the neighbours} the Moon tonight. {Nobody says anything for the first ten seconds.|"It is a place," she said. Yes.}
Collimation is easy, they said. {Forty minutes|Two evenings} later the stars are {finally round|now triangles}.
Reading about {white dwarfs|how they weigh galaxies|Cepheid variables} on the bus and {missing my stop|not sorry}.
""",
    "jazz": """
Transcribing {eight|sixteen} bars of {a ballad|a fast blues|an old trio record} has taken {all week|nine evenings}. {My ears hurt and I am happy.|The rests are the hardest part.}
The {trio|quartet|big band} at the corner bar played {two sets|till one}, and the {drummer|bassist} {barely looked up|laughed the whole way through}.
{Brushes|A walking bass line|A muted trumpet} on a rainy {Tuesday|Sunday}. {That is the post.|Nothing else is needed.}
What record would you give someone who says they {hate|do not get} jazz?
Found {a first pressing|a live tape|a strange organ record} for {two|five} euros. The sleeve is {ruined|signed|held together by tape}, the vinyl is clean.
Practised {two-five-ones|rhythm changes|one tune} in {all twelve keys|six keys, then gave up}. {F sharp remains a rumour.|The cat left.}
Jam session tomorrow at {eight|nine}. {Beginners first, no cutting contests.|Bring your own stand, we have a piano that is nearly in tune.}
That {solo|coda|piano intro} still makes me {stop walking|miss the bus|put the pan down}.
""",
    "sourdough": """
{Seventy|Eighty} per cent hydration, {overnight in the fridge|four folds}, and an ear you could {hang a coat on|cut yourself on}.
My starter is called {Gerald|Doughlores|The Tenant}. It {doubled in four hours|escaped the jar last night|is older than my sofa}.
Flat loaf again. {Underproofed?|Overproofed?|Was it the flour?} The crumb says {yes, the crust says no|one thing, the crust another}.
Swapped a third for {rye|spelt|wholewheat} and the kitchen smells like {a village|my grandmother's house}.
Discard {pancakes|crackers|waffles} are the real reason to keep a starter. {Do not tell the bread people.|I said what I said.}
How cold is your kitchen in {November|winter}? Mine is {sixteen|seventeen} degrees and the dough is {asleep|on strike}.
Two loaves for {the neighbours|the school fair|a friend with a new baby}, one for us. {The one for us is the ugly one.|None left by noon.}
Scoring practice: {a leaf|one long slash|a wheat pattern}. It opened {exactly where I asked|on the other side, naturally}.
""",
    "chess": """
Lost a won endgame with {a rook and two pawns|an extra bishop|a passed pawn on the seventh} because I {moved too fast|forgot about stalemate|saw a ghost}.
Club night: {two wins and a draw|three losses and a good coffee|one game that lasted four hours}. {The draw was the best of them.|I am still replaying move 23.}
Learning the {Caro-Kann|Catalan|Scandinavian} at {forty-one|sixty}. {Slowly.|It suits people who dislike surprises.}
Puzzle for you: white to move, {a quiet queen move wins|the knight gives itself up}, and it took me {ten minutes|a whole train ride}.
The {old man|nine-year-old|student} at the park tables beat me in {nineteen|twenty-four} moves and then {explained why|offered me a biscuit}.
Is there any point in studying {openings|theory} below {1500|1800}, or should I just do {endgames|tactics} until spring?
Blitz is {a snack|shouting}, classical is {a meal|a conversation}. {I said what I said.|Both have their evenings.}
We need {two more boards|a fourth player} for {Thursday's|the league} match. {Any level, warm room, bad jokes.|Beginners very welcome.}
""",
    "watercolour": """
Wet in wet, {three|two} colours, {ten|twenty} minutes: {a harbour|a hedge in fog|the view from the kitchen}. {Stopping in time was the hard part.|I overworked the left corner.}
The {ultramarine|burnt sienna|quinacridone rose} from the small maker granulates like {sand|wet slate}. {Recommended.|I painted nothing but swatches today.}
Sketchbook page {forty|twelve}: {people asleep on the tram|my breakfast|chimneys}. {Nobody woke up.|The egg was harder than it looks.}
What paper do you use for {travel|big washes|lifting}? Mine {buckles|pills} if I {look at it|breathe near it}.
Painted {the canal|the market|an old barn} outdoors and it {rained on the sky|froze on the palette}. {An improvement, honestly.|The rain did the best bits.}
A whole hour mixing {greens|greys|shadows}. {Never straight from the tube.|There are more of them than I thought.}
My {grandmother|old teacher} painted {clouds|snow} by leaving the paper alone. It took me {ten years|until this morning} to understand.
Commission done: {a white dog on snow|a red bicycle|somebody's first house}. {They cried, I cried.|Framed and out of my hands.}
""",
    "tide-pools": """
Low tide at {5:40|6:15|dawn}: {two sea hares|a blenny guarding eggs|more anemones than I could count} and {very cold hands|one curious gull}.
Turn a stone, look, and turn it back {gently|the way it was}. {It is somebody's roof.|Half the pool lives under there.}
Found a {cushion star|velvet crab|chiton} I have {never seen on this shore|been looking for since spring}. {Logged it.|I may have squeaked.}
Is this a {nudibranch|flatworm|piece of weed pretending}? About {two centimetres|a fingernail} long, {orange tips|white spots}.
The {hermit crabs|limpets} in the upper pool have {moved house|grown} since {last month|the storm}. {I know them by their shells now.|We are neighbours.}
Took {eight children|my father|the beginners' group} to the rocks. {Nobody fell in.|One fell in, nobody minded.}
Water was {fourteen|eleven} degrees and clear as {gin|glass}. {Sat by one pool for an hour.|I forgot about lunch.}
Beach clean after: {six kilos|two bags} of {rope|bottle tops}, and a {shoe from another decade|toy soldier}.
""",
    "open-source": """
Released {0.9|2.1|1.0} today. {Fewer features, fewer bugs.|The changelog is longer than the diff.|Three people have already found the thing I forgot.}
Closed {forty|eleven} stale issues and {apologised in six|reopened one}. {Maintenance is mostly reading.|I feel lighter.}
A stranger fixed {a race condition|our worst flaky test|the docs} in {four lines|one afternoon}. {Thank you, stranger.|This is why we do it in public.}
Please write the {error message|commit message} for someone who is {tired|new|on call}. {It will be you.|It costs a minute.}
How do you say no to a {good|large} pull request kindly? I have {rewritten the comment|been staring at it} {four times|since Monday}.
Profiled it: {ninety|seventy} per cent of the time was {parsing dates|one regular expression|logging}. {Of course.|Removed it, nobody noticed.}
Dropped {two|three} dependencies and the build went from {nine minutes|four minutes} to {two|forty seconds}.
First-time contributors: the label {"good first issue"|"help wanted"} has {five|a dozen} new ones, each with {a pointer to the file|a failing test}.
""",
    "football": """
Ninety-{third|fourth} minute, {off the post|a deflection|an own goal}, and the whole {pub|tram|street} went quiet. {Every week with this team.|I need a walk.}
Under-{tens|twelves} won {3-2|4-1} this morning. {The goalkeeper scored.|Oranges at half time, as tradition demands.}
Our left back has run {eleven|twelve} kilometres and {not lost a duel|been booked for laughing}. {Give her the armband.|Statue, please.}
Say what you like about {the high press|three at the back|playing out from goal}, it is {terrifying|lovely} to watch when it works.
Away day: {six hours on a coach|two trains and a ferry}, {nil-nil|a late winner}, {terrible pie|the best singing of the year}.
Who takes the {corners|penalties} now that {the captain|our number ten} is out {until March|for six weeks}?
Women's derby sold out in {an hour|a morning}. {About time.|I remember eighty of us on that terrace.}
Five-a-side, {Tuesday|Wednesday}, {my knees|my lungs} have filed a complaint. {Two assists though.|See you all next week.}
""",
    "local-council": """
The council votes on {the bus lane|library hours|the swimming pool} on {Tuesday|Thursday}. The agenda is public, item {seven|four}, and {nobody reads it|it is two pages}.
Sat through {three|four} hours of planning committee for {eleven|five} minutes on {our crossing|the playground}. {It passed.|Deferred to January. Again.}
Numbers from the budget: {bins|potholes|school meals} up {four|six} per cent, {parks|youth clubs} down {nine|three}. {Ask your councillor why.|The table is on page 31.}
{Forty|Sixty} people came to talk about {the old hospital|parking|trees on Mill Road}. {Only two shouted.|More agreement than I expected.}
Does anyone know who is responsible for {street lights|the underpass|the flooded path}? {City says county, county says city.|Third email, no answer.}
The {trial|pilot} for a {school street|night bus} starts {Monday|next month}. {Count cars, count children, then decide.|Please fill in the survey even if you hate it.}
Good news for once: the {repair café|toy library|community kitchen} keeps its room for {three|five} more years.
I asked for the {contract|air quality data} in {June|August} and it arrived {today|on paper}. {Reading it so you do not have to.|Two thirds of it is blacked out.}
""",
    "parenting": """
The {four|six}-year-old asked {where yesterday goes|whether fish get thirsty|who was the first teacher}. {I said I would look it up.|I have no notes.}
Slept {three|four} hours, {in pieces|on the floor of the nursery}. {Coffee is a food group.|The baby is radiant, of course.}
Packed lunch returned {untouched|with a polite note|containing a snail}. {We go again tomorrow.|I ate it on the train.}
{Teething|Chickenpox|The school play} week. Send {songs|clean towels|anyone}.
How did you get a {toddler|teenager} to {wear a coat|sleep in their own bed|talk on the phone to grandma}? Asking for {tonight|a tired friend}.
My daughter {lost a tooth|read a whole page|rode without stabilisers} today and {ran to tell the postman|kept it secret until supper}.
Screen time rule that works here: {after outside|same hour, every day|we watch it together}. {Nobody argues with the clock.|Mostly.}
To the stranger who {held the door|carried the pram up the stairs|made faces at my baby}: {thank you|you saved the day}.
""",
    "train-travel": """
{Night train|Slow train|First train} to {the coast|the mountains|my sister's}: {a window, a flask and a book|six hours and I want more}.
Connection of {four|seven} minutes in {a station I do not know|the rain}. {Made it.|Did not make it, had excellent soup.}
The dining car still has {real plates|one waiter who knows everyone}. {Order the dumplings.|I stayed for two stations too many.}
Is the {couchette|sleeper} worth it over a seat for {nine|eleven} hours? I am {tall|a light sleeper|cheap}.
Took the branch line to {the last stop|a village with two houses}. {Nobody got off but me and a dog.|The guard waved.}
{Eleven|Seven} countries, {one pass|three weeks}, {no flights}. {Notes on seats and sandwiches to follow.|My back has questions.}
The view after the {second tunnel|viaduct|lake} is {why I never sit on the aisle|the cheapest cinema there is}.
Delayed {ninety|forty} minutes by {a swan|leaves|a missing driver}. {The carriage is now a choir.|We have shared all our biscuits.}
""",
    "photography": """
Shot one roll of {400|expired slide film|black and white} all {month|week}. {Thirty-six frames make you look.|Four keepers, and I am pleased.}
Blue hour at {the docks|the bus depot|the bridge}, {tripod in a puddle|eight seconds}. {Worth the wet socks.|A cyclist drew the line of light for me.}
Portrait of {my barber|the fishmonger|a stranger with a parrot}. {He asked for a print, so I printed two.|One frame, no second try.}
What is your {one lens|first edit step}? I keep going back to {the old 35|a 50 and my feet|cropping less}.
Darkroom day: {fixer on everything|six prints}, {one good|two I can show}. {The smell is half of it.|Dodging with a spoon.}
{Fog|Hard noon light|Snow at night} is {easier than people say|a gift}. {Look for edges.|Expose for the bright part and wait.}
Print your pictures. {A shoebox outlives a hard drive.|Even small. Even badly.}
The {gallery in the laundromat|pavement exhibition} opens {Friday|at six}. {Twelve photographers, no speeches.|Bring coins, the dryers stay on.}
""",
    "birds": """
{Two hundred|About forty} {redwings|fieldfares|starlings} over the house at dusk. {The sound arrives first.|The neighbours came out to look.}
The {kingfisher|heron|grey wagtail} was back at the {culvert|mill pond|lock} this morning, {same branch|eating something larger than its head}.
Is this a {chiffchaff or a willow warbler|young gull of some kind|marsh tit}? {It would not sing.|Terrible photo attached in my heart.}
Feeder count: {nine goldfinches|one woodpecker|eleven sparrows}, {a very fat wood pigeon|one squirrel in a trance}.
Moved the {nest box|feeder} {two metres|to the shady side} and got {blue tits|a wren} within {a day|an hour}.
Ringing station at {five|dawn}: a {robin|reed warbler} of {nine|twelve} grams that has {crossed a sea|been here every autumn since 2021}.
Sat in the hide for {three|two} hours. {Nothing, then everything.|One bittern, half a second. I will live on it.}
Please keep {dogs on leads|to the path} by the {dunes|reedbed} until {August|they fledge}. {They nest on the ground.|Four pairs left.}
""",
    "knitting": """
Cast on {a cardigan|socks|a shawl} in {undyed wool|a green that has no name|leftover blues}. {See you in spring.|The swatch lied last time, so I made two.}
Frogged the {sleeve|yoke|heel} for the {third|second} time. {It was the gauge.|I was watching television. My fault.}
Finished the {baby blanket|colourwork hat|mittens} on the {tram|night shift|last train}. {A stranger applauded.|Ends still to weave in, naturally.}
How do you {join in the round|wash merino|fix a dropped stitch six rows down} without {a twist|tears|felting it}?
Knit night moved to {Wednesday|the café by the bridge}. {Crochet people are people too.|All hands, all levels, one cake.}
Spun my first {even|hundred metres of} yarn. {It looks like rope and I am keeping it.|Thick, thin, thick, thin, mine.}
The {mended elbow|visible darn} is now my favourite part of the {jumper|coat}. {Gold thread on grey.|It cost nothing and an evening.}
Yarn shop closing after {thirty|forty} years. {I bought needles I do not need.|She gave me the sample drawer.}
""",
}

ENDINGS = """
More tomorrow.
Small steps.
I will report back.
Anyone else?
So goes the week.
No complaints.
That is all I have.
Ask me again in a month.
Happy {Monday|Friday|weekend}, all.
Still learning.
Opinions welcome, kind ones first.
I should have started years ago.
Write to me if you want the details.
"""

REPLIES = """
This made my {morning|evening}, thank you.
{Same here|Exactly this}. {Took me a year to see it.|I thought I was the only one.}
How long did it take you?
I tried that last {month|winter} and it {worked better than expected|went wrong in a new way}.
Respectfully disagree, but I see {why you would|the appeal}.
{Wonderful|Beautiful}. {Do you have more of these?|Saving it for later.}
Could you share {the details|where you found it}? {A friend needs this.|I would like to try.}
My advice: {patience|start smaller|ask the oldest person in the room}.
Ha! {I know that feeling.|Happens every time.}
Congratulations, {well earned|that is no small thing}!
{Not sure I follow.|Wait, really?} {What happened next?|Can you say more?}
Going to try this on {Saturday|Sunday} and report back.
"""

QUOTES = """
Everyone should read this {today|twice}.
{This.|Yes.} And I would add: it gets easier.
I have been trying to say this for {years|weeks}.
Not convinced, but it is the best argument I have seen so far.
For those who asked me {yesterday|last week}: here it is.
Look at this. Just look.
"""

GENERATED = """
Made with {name} {this morning|over lunch|before bed}. {Fourth try.|The first try had seven legs.|No edits.}
{name} and a long prompt. {I keep looking at the corner on the left.|Not sure if I like it or fear it.}
Asked {name} for something {quiet|warm|slightly wrong} and got this.
Generated, not painted. {Prompt attached, take it further.|Remixes welcome.|I like the light anyway.}
{Today's|Tonight's} picture from {name}. {Prompt below.|Same seed as yesterday, new words.}
"""

REMIXES = """
Remix: {kept the light, changed the season|same idea, colder|your subject, my colours}.
Could not resist a remix of this one. {Thank you for sharing the prompt.|Two words changed.}
Took your prompt for a walk. {It came back different.|I like yours better.}
"""

SENSITIVE = {
    "nsfw": """
Life drawing tonight, {two-minute|twenty-minute} poses, nude model, {charcoal and a little wash|ink and water}. {My best back so far.|Hands remain impossible.}
Figure study, nude, {ultramarine only|two washes}. {Marked as sensitive, as agreed.|The shoulder took an hour.}
""",
    "graphic": """
The promised photo of my {knee|elbow|shin} after {the descent|the scree}. {Seven|Nine} stitches, look away if blood bothers you.
Warning, blood: this is why you {tie your laces twice|clean a graze properly}. {Healing well.|The nurse was great.}
""",
}
