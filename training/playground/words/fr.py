"""Sentences in French. One post a line; {a|b} stands for one of its alternatives."""
# ruff: noqa: E501 -- one post a line reads better than a wrapped one

TOPICS = {
    "ceramics": """
{Trois bols|Un grand vase|Deux tasses} au tour ce matin, et {rien ne s'est effondré|une seule pièce est partie de travers}.
Ouverture du four demain à {sept heures|midi}. {Quarante pièces dedans et je dors mal.|On croise les doigts pour l'émail bleu.}
Quelqu'un a une astuce pour que {les anses ne fendent pas|les assiettes restent plates} au séchage ?
""",
    "trail-running": """
{Douze|Dix-huit} kilomètres dans {le brouillard|la forêt} avant le petit déjeuner. {De la boue jusqu'aux genoux.|Un renard, zéro humain.}
La montée {de la chapelle|du relais} ne raccourcit pas, mais aujourd'hui {je n'ai marché qu'une fois|je l'ai courue en entier}.
Vous mangez quoi après {trois|quatre} heures de course ? J'en ai assez {des gels|des dattes}.
""",
    "bike-repair": """
Atelier vélo gratuit {samedi|dimanche} devant la médiathèque. Apportez {vos crevaisons|vos freins qui couinent}, on apporte {le thé|les outils}.
Chaîne qui saute ? Mesurez-la d'abord. {Dix euros d'outil|Une minute de mesure} pour sauver une cassette à {soixante|quatre-vingts} euros.
Sauvé {un cadre en acier|un vélo d'enfant} de la benne. {Des câbles neufs et il repart.|Il lui faut tout, il aura tout.}
""",
    "urban-gardening": """
Bilan du balcon : {onze tomates|une courgette très fière}, {pas encore de pucerons|un bourdon de passage} et beaucoup trop de menthe.
Semé {des fèves|des épinards|de l'ail} dans {de vieilles caisses à vin|des seaux de peinture}. {Le chat a déjà inspecté.|Maintenant, on attend.}
Limaces {une|trois}, moi zéro. Je passe {au cuivre|à la lampe de poche à minuit}.
""",
    "astronomy": """
Enfin un ciel dégagé. {Saturne|Jupiter et deux lunes|La nébuleuse d'Orion} depuis {un parking|le toit}, avec {une lunette de 60|un télescope d'occasion}.
{Trois|Sept} météores en une heure et {les orteils gelés|une chouette très bavarde}. {Je recommence demain.|Ça valait le coup.}
Montré la Lune {aux voisins|à ma nièce} ce soir. {Dix secondes de silence à chaque fois.|« Mais c'est un endroit ! » Oui.}
""",
    "jazz": """
Relevé {huit|seize} mesures {d'une ballade|d'un blues rapide} et ça m'a pris {la semaine|neuf soirées}. {Les silences sont le plus dur.|J'ai mal aux oreilles, tout va bien.}
{Des balais|Une trompette bouchée} un {mardi|dimanche} de pluie. {Il ne faut rien de plus.|Voilà, c'est tout le message.}
Quel disque offrir à quelqu'un qui dit ne pas aimer le jazz ?
""",
    "sourdough": """
{Soixante-dix|Quatre-vingts} pour cent d'hydratation, {une nuit au frais|quatre rabats}, et une croûte {qui chante|qu'on entend du couloir}.
Encore un pain plat. {Trop levé ?|Pas assez levé ?|La farine ?} La mie dit {oui, la croûte dit non|une chose, la croûte le contraire}.
Mon levain s'appelle {Gérard|Marcel}. Il {a doublé en quatre heures|s'est échappé du bocal cette nuit}.
""",
    "chess": """
Perdu une finale gagnante avec {une tour et deux pions|un fou de plus}. {J'ai joué trop vite.|J'avais oublié le pat.}
Soirée au club : {deux victoires et une nulle|trois défaites et un bon café}. {La nulle était la plus belle.|Je rejoue encore le vingt-troisième coup.}
{La petite de neuf ans|Le vieux monsieur} du parc m'a battu en {dix-neuf|vingt-quatre} coups, puis m'a {tout expliqué|offert un biscuit}.
""",
    "watercolour": """
Mouillé sur mouillé, {deux|trois} couleurs, {dix|vingt} minutes : {un port|une haie dans la brume}. {Le plus dur, c'est de s'arrêter.|J'ai trop insisté à gauche.}
Page {douze|quarante} du carnet : {des gens endormis dans le tram|mon petit déjeuner}. {Personne ne s'est réveillé.|L'œuf est plus difficile qu'on ne croit.}
Quel papier pour {les grands lavis|le voyage} ? Le mien gondole {dès que je le regarde|au premier pinceau}.
""",
    "tide-pools": """
Marée basse à {5 h 40|l'aube} : {deux lièvres de mer|des anémones partout}, {les mains gelées|une mouette curieuse}.
On soulève la pierre, on regarde, on la repose {doucement|comme elle était}. {C'est le toit de quelqu'un.|La moitié de la mare vit dessous.}
Nettoyage de plage après la sortie : {six kilos|deux sacs} de {cordages|bouchons}, et {une chaussure d'un autre siècle|un petit soldat en plastique}.
""",
    "open-source": """
Version {0.9|2.1} publiée. {Moins de fonctions, moins de bugs.|Trois personnes ont déjà trouvé ce que j'avais oublié.}
Une personne inconnue a corrigé {notre pire test instable|la doc} en {quatre lignes|un après-midi}. {Merci, qui que tu sois.|C'est pour ça qu'on travaille en public.}
Comment refuser gentiment une {grosse|bonne} contribution ? Je récris mon commentaire depuis {lundi|une heure}.
""",
    "football": """
Quatre-vingt-{treizième|quatorzième} minute, {poteau|but contre son camp}, et tout {le bar|le tram} s'est tu. {Chaque semaine avec cette équipe.|Je vais marcher un peu.}
Les moins de {dix|douze} ans ont gagné {3-2|4-1} ce matin. {La gardienne a marqué.|Oranges à la mi-temps, c'est la tradition.}
Le derby féminin complet en {une heure|une matinée}. {Il était temps.|Je nous revois à quatre-vingts dans cette tribune.}
""",
    "local-council": """
Le conseil vote {mardi|jeudi} sur {la piste cyclable|les horaires de la bibliothèque|la piscine}. L'ordre du jour est public, {personne ne le lit|il tient en deux pages}.
{Quarante|Soixante} personnes pour parler {du vieil hôpital|du stationnement}. {Deux seulement ont crié.|Plus d'accord que prévu.}
Qui s'occupe {des lampadaires|du passage inondé} ? {La ville dit la région, la région dit la ville.|Troisième courriel, pas de réponse.}
""",
    "parenting": """
Question du jour ({quatre|six} ans) : {où va hier|est-ce que les poissons ont soif} ? {J'ai dit que j'allais chercher.|Je n'ai rien à ajouter.}
{Trois|Quatre} heures de sommeil, {en morceaux|par terre dans la chambre}. {Le café est un légume.|Le bébé est en pleine forme, évidemment.}
À la personne qui a {porté la poussette dans l'escalier|tenu la porte} : {merci|vous avez sauvé ma journée}.
""",
    "train-travel": """
{Train de nuit|Premier train|Train lent} vers {la mer|la montagne} : {une fenêtre, un thermos, un livre|six heures et j'en veux encore}.
Correspondance de {quatre|sept} minutes {sous la pluie|dans une gare inconnue}. {Réussie.|Ratée, mais la soupe était excellente.}
Retard de {quarante|quatre-vingt-dix} minutes à cause {d'un cygne|des feuilles}. {Le wagon est devenu une chorale.|On a partagé tous nos biscuits.}
""",
    "photography": """
Une seule pellicule {ce mois-ci|cette semaine}, {noir et blanc|périmée}. {Trente-six vues, ça oblige à regarder.|Quatre bonnes, et c'est déjà bien.}
Heure bleue {sur les quais|au pont}, {pied dans une flaque|huit secondes de pose}. {Les chaussettes trempées, tant pis.|Un cycliste a dessiné la ligne de lumière.}
Imprimez vos photos. {Une boîte à chaussures survit à un disque dur.|Même petit. Même mal.}
""",
    "birds": """
{Deux cents|Une quarantaine} d'étourneaux au-dessus de la maison au crépuscule. {Le bruit arrive en premier.|Les voisins sont sortis voir.}
{Le martin-pêcheur|Le héron} était de retour {à l'écluse|au moulin} ce matin, {même branche|avec une proie plus grosse que sa tête}.
Mangeoire : {neuf chardonnerets|onze moineaux}, {un pigeon énorme|un écureuil en transe}.
""",
    "knitting": """
J'ai monté {un gilet|des chaussettes|un châle} dans {une laine non teinte|un vert qui n'a pas de nom}. {Rendez-vous au printemps.|L'échantillon avait menti la dernière fois.}
Défait {la manche|le talon} pour la {deuxième|troisième} fois. {C'était la tension.|Je regardais la télé, c'est ma faute.}
Le coude reprisé est ma partie préférée {du pull|du manteau}. {Fil doré sur gris.|Une soirée et zéro euro.}
""",
}

ENDINGS = """
La suite demain.
Petit à petit.
Et vous ?
Je vous raconterai.
Ainsi va la semaine.
Bon {lundi|vendredi|week-end} à tout le monde.
Vos avis m'intéressent.
Rien à redire.
"""

REPLIES = """
Ça illumine ma {matinée|soirée}, merci.
{Pareil ici|Exactement}. {Je croyais que ça n'arrivait qu'à moi.|Il m'a fallu un an pour le comprendre.}
Ça a pris combien de temps ?
J'ai essayé {le mois dernier|cet hiver} et {ça a mieux marché que prévu|j'ai tout raté}.
Pas d'accord, mais je comprends {l'idée|l'envie}.
{Magnifique|Superbe}. {Il y en a d'autres ?|Je le garde pour plus tard.}
On peut avoir {les détails|l'adresse} ? {Ça intéresse une amie.|J'aimerais essayer.}
Ha ! {Je connais bien ce sentiment.|C'est à chaque fois pareil.}
"""

QUOTES = """
À lire {aujourd'hui|deux fois}.
Voilà. J'essaie de le dire depuis {des semaines|des années}.
Pas tout à fait d'accord, mais c'est le meilleur argument que j'aie lu.
Pour ceux qui demandaient {hier|la semaine dernière} : c'est ici.
"""

GENERATED = """
Fait avec {name} {ce matin|avant de dormir}. {Quatrième essai.|Le premier avait sept pattes.}
Image générée, pas peinte. {Le prompt est joint, continuez.|La lumière me plaît quand même.}
J'ai demandé à {name} quelque chose de {calme|légèrement étrange}, et voilà.
"""

REMIXES = """
Remix : {même lumière, autre saison|même idée, plus froide}.
Je n'ai pas pu résister à un remix. {Merci pour le prompt.|Deux mots changés.}
"""

SENSITIVE = {
    "nsfw": """
Modèle vivant ce soir, nu, poses de {deux|vingt} minutes, {fusain|encre et eau}. {Les mains restent impossibles.|Mon meilleur dos jusqu'ici.}
""",
    "graphic": """
La photo promise de mon {genou|coude} après {la descente|le pierrier}. {Sept|Neuf} points de suture, passez si le sang vous gêne.
""",
}
