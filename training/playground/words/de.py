"""Sentences in German. One post a line; {a|b} stands for one of its alternatives."""
# ruff: noqa: E501 -- one post a line reads better than a wrapped one

TOPICS = {
    "ceramics": """
Heute {drei Becher|eine hohe Vase|zwei Schalen} gedreht, und {nichts ist eingestürzt|nur ein Stück ist schief geworden}.
Morgen um {sieben|zwölf} wird der Ofen geöffnet. {Vierzig Stücke drin und ich schlafe schlecht.|Bitte Daumen drücken für die blaue Glasur.}
Hat jemand einen Trick, damit {Henkel nicht reißen|Teller beim Trocknen flach bleiben}?
""",
    "trail-running": """
{Zwölf|Achtzehn} Kilometer durch {den Nebel|den Wald} vor dem Frühstück. {Schlamm bis zum Knie.|Ein Fuchs, null Menschen.}
Der Anstieg {zur Kapelle|zum Sendemast} wird nicht kürzer, aber heute {bin ich nur einmal gegangen|bin ich alles gelaufen}.
Was esst ihr nach {drei|vier} Stunden? Ich kann {keine Gels|keine Datteln} mehr sehen.
""",
    "bike-repair": """
Offene Radwerkstatt am {Samstag|Sonntag} vor der Bücherei. Bringt {platte Reifen|quietschende Bremsen} mit, wir bringen {Tee|Werkzeug}.
Springt die Kette? Erst messen. {Zehn Euro für die Lehre|Eine Minute Messen} und die Kassette für {sechzig|achtzig} ist gerettet.
{Einen Stahlrahmen|Ein Kinderrad} vom Sperrmüll gerettet. {Neue Züge, und es läuft.|Es braucht alles und bekommt alles.}
""",
    "urban-gardening": """
Balkonbericht: {elf Tomaten|eine stolze Zucchini}, {noch keine Blattläuse|eine Hummel zu Besuch} und viel zu viel Minze.
{Dicke Bohnen|Spinat|Knoblauch} in {alten Weinkisten|Farbeimern} gesät. {Die Katze hat schon kontrolliert.|Jetzt heißt es warten.}
Schnecken {eins|drei}, ich null. Als Nächstes: {Kupferband|Taschenlampe um Mitternacht}.
""",
    "astronomy": """
Endlich klarer Himmel. {Saturn|Jupiter mit zwei Monden|Der Orionnebel} vom {Parkplatz|Dach} aus, mit {einem 60er Refraktor|einem gebrauchten Teleskop}.
{Drei|Sieben} Sternschnuppen in einer Stunde und {gefrorene Zehen|ein sehr lauter Kauz}. {Hat sich gelohnt.|Morgen wieder.}
Heute {den Nachbarn|meiner Nichte} den Mond gezeigt. {Die ersten zehn Sekunden sagt niemand etwas.|„Das ist ja ein Ort!“ Ja.}
""",
    "jazz": """
{Acht|Sechzehn} Takte {einer Ballade|eines schnellen Blues} transkribiert. Dauer: {eine Woche|neun Abende}. {Die Pausen sind das Schwerste.|Die Ohren tun weh, alles gut.}
{Besen auf der Snare|Eine gedämpfte Trompete} an einem verregneten {Dienstag|Sonntag}. {Mehr braucht es nicht.|Das ist der ganze Beitrag.}
Welche Platte würdet ihr jemandem schenken, der mit Jazz nichts anfangen kann?
""",
    "sourdough": """
{Siebzig|Achtzig} Prozent Wasser, {eine Nacht im Kühlschrank|viermal gefaltet}, und die Kruste {singt|knackt bis in den Flur}.
Schon wieder ein flaches Brot. {Übergare?|Untergare?|Das Mehl?} Die Krume sagt {ja, die Kruste sagt nein|das eine, die Kruste das andere}.
Mein Sauerteig heißt {Gerhard|Herr Krause}. Er {hat sich in vier Stunden verdoppelt|ist heute Nacht aus dem Glas geklettert}.
""",
    "chess": """
Gewonnenes Endspiel verloren, {Turm und zwei Bauern|ein Läufer mehr}. {Zu schnell gezogen.|Ich hatte das Patt vergessen.}
Vereinsabend: {zwei Siege und ein Remis|drei Niederlagen und guter Kaffee}. {Das Remis war die schönste Partie.|Ich spiele Zug 23 immer noch nach.}
{Die Neunjährige|Der alte Herr} im Park hat mich in {neunzehn|vierundzwanzig} Zügen geschlagen und mir dann {alles erklärt|einen Keks angeboten}.
""",
    "watercolour": """
Nass in nass, {zwei|drei} Farben, {zehn|zwanzig} Minuten: {ein Hafen|eine Hecke im Nebel}. {Aufhören ist das Schwerste.|Links war ich zu fleißig.}
Skizzenbuch, Seite {zwölf|vierzig}: {Schlafende in der Straßenbahn|mein Frühstück}. {Niemand ist aufgewacht.|Das Ei ist schwerer, als es aussieht.}
Welches Papier nehmt ihr für {große Lasuren|unterwegs}? Meins wellt sich, {wenn ich es nur ansehe|sobald Wasser in der Nähe ist}.
""",
    "tide-pools": """
Niedrigwasser um {5:40 Uhr|6:15 Uhr}: {zwei Seehasen|unzählige Seeanemonen}, {eiskalte Hände|eine neugierige Möwe}.
Stein anheben, schauen, {vorsichtig|genau so} zurücklegen. {Das ist jemandes Dach.|Darunter wohnt der halbe Tümpel.}
Nach der Tour Strand aufgeräumt: {sechs Kilo|zwei Säcke} {Seile|Deckel} und {ein Schuh aus einem anderen Jahrzehnt|ein Spielzeugsoldat}.
""",
    "open-source": """
Version {0.9|2.1} ist draußen. {Weniger Funktionen, weniger Fehler.|Drei Leute haben schon gefunden, was ich vergessen habe.}
Jemand Fremdes hat {unseren wackligsten Test|die Doku} mit {vier Zeilen|einem Nachmittag Arbeit} repariert. {Danke, wer immer du bist.|Darum machen wir das öffentlich.}
Wie sagt man freundlich Nein zu einem {großen|guten} Pull Request? Ich schreibe seit {Montag|einer Stunde} am Kommentar.
""",
    "football": """
{Dreiundneunzigste|Vierundneunzigste} Minute, {Pfosten|Eigentor}, und {die ganze Kneipe|die Straßenbahn} war still. {Jede Woche mit diesem Verein.|Ich muss an die Luft.}
Die {E-Jugend|D-Jugend} hat heute {3:2|4:1} gewonnen. {Die Torhüterin hat getroffen.|In der Halbzeit gab es Orangen, wie es sich gehört.}
Das Derby der Frauen war in {einer Stunde|einem Vormittag} ausverkauft. {Wurde auch Zeit.|Ich erinnere mich, wie wir zu achtzigst dort standen.}
""",
    "local-council": """
Der Stadtrat stimmt am {Dienstag|Donnerstag} über {den Radweg|die Öffnungszeiten der Bücherei|das Schwimmbad} ab. Die Tagesordnung ist öffentlich, {keiner liest sie|es sind zwei Seiten}.
{Vierzig|Sechzig} Leute kamen, um über {das alte Krankenhaus|Parkplätze} zu reden. {Nur zwei wurden laut.|Mehr Einigkeit als erwartet.}
Wer ist für {die Laternen|die überflutete Unterführung} zuständig? {Die Stadt sagt Kreis, der Kreis sagt Stadt.|Dritte Mail, keine Antwort.}
""",
    "parenting": """
Frage des Tages ({vier|sechs} Jahre alt): {Wohin geht gestern?|Haben Fische Durst?} {Ich habe gesagt, ich schaue nach.|Dem ist nichts hinzuzufügen.}
{Drei|Vier} Stunden Schlaf, {in Stücken|auf dem Boden im Kinderzimmer}. {Kaffee zählt als Mahlzeit.|Das Baby strahlt natürlich.}
An den Menschen, der {den Kinderwagen die Treppe hochgetragen|die Tür aufgehalten} hat: {danke|du hast den Tag gerettet}.
""",
    "train-travel": """
{Nachtzug|Bummelzug|Erster Zug} {ans Meer|in die Berge}: {Fenster, Thermoskanne, Buch|sechs Stunden, und ich will mehr}.
{Vier|Sieben} Minuten Umsteigezeit {im Regen|in einem fremden Bahnhof}. {Geschafft.|Nicht geschafft, dafür gab es hervorragende Suppe.}
{Vierzig|Neunzig} Minuten Verspätung wegen {eines Schwans|Laub auf den Schienen}. {Der Wagen ist jetzt ein Chor.|Wir haben alle Kekse geteilt.}
""",
    "photography": """
Ein einziger Film {diesen Monat|diese Woche}, {schwarzweiß|abgelaufen}. {Bei 36 Bildern schaut man genauer hin.|Vier gute, das reicht mir.}
Blaue Stunde {am Hafen|auf der Brücke}, {Stativ in der Pfütze|acht Sekunden}. {Nasse Socken, egal.|Ein Radfahrer hat die Lichtlinie gezeichnet.}
Druckt eure Bilder aus. {Ein Schuhkarton überlebt jede Festplatte.|Auch klein. Auch schlecht.}
""",
    "birds": """
{Zweihundert|Etwa vierzig} Stare über dem Haus in der Dämmerung. {Das Rauschen kommt zuerst.|Die Nachbarn kamen heraus, um zu schauen.}
{Der Eisvogel|Der Graureiher} saß heute wieder {an der Schleuse|am Mühlteich}, {derselbe Ast|mit Beute größer als sein Kopf}.
Am Futterhaus: {neun Stieglitze|elf Spatzen}, {eine sehr runde Taube|ein Eichhörnchen in Trance}.
""",
    "knitting": """
{Eine Jacke|Socken|Ein Tuch} angeschlagen, {ungefärbte Wolle|ein Grün ohne Namen}. {Wir sehen uns im Frühling.|Die Maschenprobe hatte letztes Mal gelogen.}
{Den Ärmel|Die Ferse} zum {zweiten|dritten} Mal aufgeribbelt. {Es war die Fadenspannung.|Ich habe ferngesehen, selbst schuld.}
Der gestopfte Ellbogen ist jetzt die schönste Stelle {am Pullover|am Mantel}. {Goldfaden auf Grau.|Ein Abend, null Euro.}
""",
}

ENDINGS = """
Morgen mehr.
Schritt für Schritt.
Und bei euch?
Ich werde berichten.
So läuft die Woche.
Schönen {Montag|Freitag|Feierabend} zusammen.
Meinungen willkommen.
Kann man so machen.
"""

REPLIES = """
Das rettet mir {den Morgen|den Abend}, danke.
{Hier genauso|Genau so ist es}. {Ich dachte, das geht nur mir so.|Ich habe ein Jahr gebraucht, um das zu merken.}
Wie lange hat das gedauert?
Habe ich {letzten Monat|im Winter} probiert, {lief besser als gedacht|ging gründlich schief}.
Sehe ich anders, aber ich verstehe {den Reiz|den Gedanken}.
{Wunderbar|Sehr schön}. {Gibt es mehr davon?|Merke ich mir.}
Magst du {die Einzelheiten|die Adresse} teilen? {Eine Freundin sucht genau das.|Würde ich gern versuchen.}
Ha! {Das Gefühl kenne ich.|Jedes Mal.}
"""

QUOTES = """
Bitte {heute noch|zweimal} lesen.
Genau das versuche ich seit {Wochen|Jahren} zu sagen.
Nicht ganz meine Meinung, aber das beste Argument bisher.
Für alle, die {gestern|letzte Woche} gefragt haben: hier ist es.
"""

GENERATED = """
Mit {name} gemacht, {heute früh|vor dem Einschlafen}. {Vierter Versuch.|Der erste hatte sieben Beine.}
Generiert, nicht gemalt. {Der Prompt ist dabei, macht weiter.|Das Licht mag ich trotzdem.}
Ich habe {name} um etwas {Ruhiges|leicht Unheimliches} gebeten. Bitte sehr.
"""

REMIXES = """
Remix: {gleiches Licht, andere Jahreszeit|gleiche Idee, nur kälter}.
Diesem Bild konnte ich nicht widerstehen. {Danke für den Prompt.|Nur zwei Wörter geändert.}
"""

SENSITIVE = {
    "nsfw": """
Aktzeichnen heute Abend, Posen von {zwei|zwanzig} Minuten, {Kohle|Tusche und Wasser}. {Hände bleiben unmöglich.|Mein bester Rücken bisher.}
""",
    "graphic": """
Das versprochene Foto von {meinem Knie|meinem Ellbogen} nach {dem Abstieg|dem Geröllfeld}. {Sieben|Neun} Stiche, wer kein Blut sehen kann: weiterscrollen.
""",
}
