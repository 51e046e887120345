"""Sentences in Spanish. One post a line; {a|b} stands for one of its alternatives."""
# ruff: noqa: E501 -- one post a line reads better than a wrapped one

TOPICS = {
    "ceramics": """
{Tres tazas|Un jarrón alto|Dos cuencos} en el torno hoy, y {no se me cayó nada|solo una pieza salió torcida}.
Mañana a las {siete|doce} abrimos el horno. {Cuarenta piezas dentro y yo sin dormir.|Crucen los dedos por el esmalte azul.}
¿Alguien sabe cómo evitar que {se agrieten las asas|se alabeen los platos} al secar?
""",
    "trail-running": """
{Doce|Dieciocho} kilómetros por {la niebla|el pinar} antes de desayunar. {Barro hasta las rodillas.|Un zorro y cero personas.}
La subida {a la ermita|a la antena} no se acorta nunca, pero hoy {solo caminé una vez|la corrí entera}.
¿Qué comen después de {tres|cuatro} horas? Ya no puedo ver {los geles|los dátiles}.
""",
    "bike-repair": """
Taller gratis de bicis el {sábado|domingo} frente a la biblioteca. Traigan {pinchazos|frenos que chillan}; nosotros ponemos {el té|las herramientas}.
¿Salta la cadena? Primero hay que medirla. {Diez euros de calibre|Un minuto de medida} y se salva un piñón de {sesenta|ochenta}.
Rescaté {un cuadro de acero|una bici infantil} del contenedor. {Cables nuevos y a rodar.|Le hace falta todo y lo tendrá todo.}
""",
    "urban-gardening": """
Parte del balcón: {once tomates|un calabacín orgulloso}, {ni un pulgón todavía|un abejorro de visita} y demasiada menta.
Sembré {habas|espinacas|ajos} en {cajas de vino viejas|cubos de pintura}. {El gato ya pasó revista.|Ahora toca esperar.}
Babosas {uno|tres}, yo cero. Lo próximo: {cinta de cobre|linterna a medianoche}.
""",
    "astronomy": """
Por fin cielo despejado. {Saturno|Júpiter y dos lunas|La nebulosa de Orión} desde {un aparcamiento|la azotea}, con {un refractor de 60|un telescopio de segunda mano}.
{Tres|Siete} meteoros en una hora y {los pies helados|un búho muy hablador}. {Mañana repito.|Valió la pena.}
Hoy enseñé la Luna {a los vecinos|a mi sobrina}. {Los primeros diez segundos nadie dice nada.|«¡Pero si es un lugar!» Pues sí.}
""",
    "jazz": """
Transcribir {ocho|dieciséis} compases de {una balada|un blues rápido} me llevó {toda la semana|nueve noches}. {Lo más difícil son los silencios.|Me duelen los oídos y qué gusto.}
{Escobillas|Una trompeta con sordina} en un {martes|domingo} de lluvia. {No hace falta más.|Eso es todo.}
¿Qué disco le regalarían a alguien que dice que no le gusta el jazz?
""",
    "sourdough": """
{Setenta|Ochenta} por ciento de hidratación, {una noche en frío|cuatro pliegues}, y una corteza {que canta|que se oye desde el pasillo}.
Otro pan plano. {¿Falta de fermentación?|¿Me pasé?|¿La harina?} La miga dice {que sí y la corteza que no|una cosa y la corteza otra}.
Mi masa madre se llama {Gerardo|Doña Paca}. {Dobló en cuatro horas.|Anoche se escapó del frasco.}
""",
    "chess": """
Perdí un final ganado con {torre y dos peones|un alfil de más}. {Jugué demasiado rápido.|Se me olvidó el ahogado.}
Noche de club: {dos victorias y unas tablas|tres derrotas y buen café}. {Las tablas fueron lo mejor.|Sigo repasando la jugada 23.}
{La niña de nueve años|El señor mayor} del parque me ganó en {diecinueve|veinticuatro} jugadas y luego {me lo explicó todo|me ofreció una galleta}.
""",
    "watercolour": """
Húmedo sobre húmedo, {dos|tres} colores, {diez|veinte} minutos: {un puerto|un seto en la niebla}. {Lo difícil es parar.|Insistí demasiado en la izquierda.}
Página {doce|cuarenta} del cuaderno: {gente dormida en el tranvía|mi desayuno}. {No se despertó nadie.|El huevo es más difícil de lo que parece.}
¿Qué papel usan para {aguadas grandes|viajar}? El mío se ondula {con solo mirarlo|al primer pincel}.
""",
    "tide-pools": """
Bajamar a las {5:40|6:15}: {dos liebres de mar|anémonas por todas partes}, {las manos heladas|una gaviota curiosa}.
Levantas la piedra, miras y la dejas {con cuidado|como estaba}. {Es el techo de alguien.|Debajo vive media charca.}
Limpieza de playa al terminar: {seis kilos|dos bolsas} de {cuerdas|tapones} y {un zapato de otra década|un soldadito de plástico}.
""",
    "open-source": """
Publicada la versión {0.9|2.1}. {Menos funciones, menos errores.|Tres personas ya encontraron lo que se me olvidó.}
Alguien a quien no conozco arregló {nuestra peor prueba|la documentación} en {cuatro líneas|una tarde}. {Gracias, seas quien seas.|Por esto trabajamos en público.}
¿Cómo se dice que no a una contribución {grande|buena} con amabilidad? Llevo desde {el lunes|hace una hora} con el comentario.
""",
    "football": """
Minuto noventa y {tres|cuatro}, {al palo|gol en propia puerta}, y {el bar entero|todo el tranvía} en silencio. {Cada semana igual con este equipo.|Me voy a dar un paseo.}
Las {alevines|infantiles} ganaron {3-2|4-1} esta mañana. {Marcó la portera.|Naranjas en el descanso, como manda la tradición.}
El derbi femenino agotó las entradas en {una hora|una mañana}. {Ya era hora.|Recuerdo cuando éramos ochenta en esa grada.}
""",
    "local-council": """
El pleno vota el {martes|jueves} {el carril bici|el horario de la biblioteca|la piscina}. El orden del día es público y {nadie lo lee|son dos páginas}.
{Cuarenta|Sesenta} personas vinieron a hablar {del hospital viejo|del aparcamiento}. {Solo gritaron dos.|Más acuerdo del que esperaba.}
¿Quién se encarga {de las farolas|del paso inundado}? {El ayuntamiento dice que la provincia y la provincia que el ayuntamiento.|Tercer correo, sin respuesta.}
""",
    "parenting": """
Pregunta del día ({cuatro|seis} años): {¿adónde se va ayer?|¿los peces tienen sed?} {Dije que lo buscaría.|No tengo nada que añadir.}
Dormí {tres|cuatro} horas, {a trozos|en el suelo del cuarto}. {El café es un alimento.|El bebé está radiante, claro.}
A la persona que {subió el carrito por la escalera|sujetó la puerta}: {gracias|me salvaste el día}.
""",
    "train-travel": """
{Tren nocturno|Tren lento|Primer tren} hacia {la costa|la sierra}: {ventana, termo y libro|seis horas y quiero más}.
Transbordo de {cuatro|siete} minutos {bajo la lluvia|en una estación desconocida}. {Llegué.|No llegué, pero la sopa estaba buenísima.}
{Cuarenta|Noventa} minutos de retraso por {un cisne|las hojas}. {El vagón ya es un coro.|Hemos compartido todas las galletas.}
""",
    "photography": """
Un solo carrete {este mes|esta semana}, {en blanco y negro|caducado}. {Treinta y seis fotos te obligan a mirar.|Cuatro buenas, y me basta.}
Hora azul {en el puerto|en el puente}, {trípode en un charco|ocho segundos}. {Calcetines mojados, da igual.|Un ciclista dibujó la línea de luz.}
Impriman sus fotos. {Una caja de zapatos dura más que un disco duro.|Aunque sea en pequeño. Aunque sea mal.}
""",
    "birds": """
{Doscientos|Unos cuarenta} estorninos sobre la casa al anochecer. {Primero llega el sonido.|Los vecinos salieron a mirar.}
{El martín pescador|La garza} volvió {a la esclusa|al molino} esta mañana, {a la misma rama|con una presa más grande que su cabeza}.
Comedero: {nueve jilgueros|once gorriones}, {una paloma enorme|una ardilla en trance}.
""",
    "knitting": """
Monté {una chaqueta|unos calcetines|un chal} en {lana sin teñir|un verde que no tiene nombre}. {Nos vemos en primavera.|La última muestra me mintió.}
Deshice {la manga|el talón} por {segunda|tercera} vez. {Era la tensión.|Estaba viendo la tele, culpa mía.}
El codo zurcido es ahora mi parte favorita {del jersey|del abrigo}. {Hilo dorado sobre gris.|Una noche y cero euros.}
""",
}

ENDINGS = """
Mañana más.
Poco a poco.
¿Y ustedes?
Ya contaré.
Así va la semana.
Feliz {lunes|viernes|fin de semana}.
Se aceptan opiniones.
Sin quejas.
"""

REPLIES = """
Me alegraste {la mañana|la noche}, gracias.
{Igual por aquí|Exactamente}. {Pensaba que solo me pasaba a mí.|Tardé un año en darme cuenta.}
¿Cuánto tiempo llevó?
Lo probé {el mes pasado|en invierno} y {salió mejor de lo esperado|fue un desastre}.
No estoy de acuerdo, pero entiendo {la idea|el encanto}.
{Precioso|Qué maravilla}. {¿Hay más?|Me lo guardo.}
¿Puedes compartir {los detalles|la dirección}? {Le interesa a una amiga.|Me gustaría probar.}
¡Ja! {Conozco esa sensación.|Siempre pasa igual.}
"""

QUOTES = """
Para leer {hoy mismo|dos veces}.
Llevo {semanas|años} intentando decir esto.
No me convence del todo, pero es el mejor argumento que he leído.
Para quienes preguntaron {ayer|la semana pasada}: aquí está.
"""

GENERATED = """
Hecho con {name} {esta mañana|antes de dormir}. {Cuarto intento.|El primero tenía siete patas.}
Generado, no pintado. {Dejo el prompt, sigan ustedes.|La luz me gusta igual.}
Le pedí a {name} algo {tranquilo|un poco inquietante} y salió esto.
"""

REMIXES = """
Remix: {la misma luz, otra estación|la misma idea, más fría}.
No pude resistirme a hacer un remix. {Gracias por el prompt.|Solo cambié dos palabras.}
"""

SENSITIVE = {
    "nsfw": """
Dibujo al natural esta noche, desnudo, poses de {dos|veinte} minutos, {carboncillo|tinta y agua}. {Las manos siguen siendo imposibles.|Mi mejor espalda hasta ahora.}
""",
    "graphic": """
La foto prometida de {mi rodilla|mi codo} después de {la bajada|la pedrera}. {Siete|Nueve} puntos; si te impresiona la sangre, sigue de largo.
""",
}
