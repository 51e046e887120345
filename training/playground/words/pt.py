"""Sentences in Portuguese. One post a line; {a|b} stands for one of its alternatives."""
# ruff: noqa: E501 -- one post a line reads better than a wrapped one

TOPICS = {
    "ceramics": """
Hoje saíram {três canecas|um vaso alto|duas tigelas} do torno e {nada desabou|só uma peça ficou torta}.
Amanhã às {sete|doze} abrimos o forno. {Quarenta peças lá dentro e eu sem dormir.|Torçam pelo esmalte azul.}
Alguém sabe como evitar que {as asas rachem|os pratos empenem} na secagem?
""",
    "trail-running": """
{Doze|Dezoito} quilômetros {na neblina|pela mata} antes do café da manhã. {Lama até o joelho.|Um gambá e nenhuma pessoa.}
A subida {da capela|da antena} não fica mais curta, mas hoje {só caminhei uma vez|corri tudo}.
O que vocês comem depois de {três|quatro} horas? Não aguento mais {gel|tâmara}.
""",
    "bike-repair": """
Oficina de bicicleta grátis no {sábado|domingo} em frente à biblioteca. Tragam {pneus furados|freios que chiam}, a gente leva {o chá|as ferramentas}.
Corrente pulando? Meça primeiro. {Uma ferramenta barata|Um minuto de medida} salva um cassete {caro|inteiro}.
Resgatei {um quadro de aço|uma bicicleta infantil} da caçamba. {Cabos novos e já anda.|Precisa de tudo e vai ter tudo.}
""",
    "urban-gardening": """
Boletim da varanda: {onze tomates|uma abobrinha orgulhosa}, {nenhum pulgão ainda|uma mamangava de visita} e hortelã demais.
Plantei {couve|espinafre|alho} em {caixotes de feira|baldes de tinta}. {O gato já inspecionou.|Agora é esperar.}
Lesmas {um|três}, eu zero. Próximo passo: {fita de cobre|lanterna à meia-noite}.
""",
    "astronomy": """
Céu limpo, até que enfim. {Saturno|Júpiter e duas luas|A nebulosa de Órion} {do estacionamento|da laje}, com {uma luneta de 60|um telescópio usado}.
{Três|Sete} meteoros em uma hora e {os pés gelados|uma coruja tagarela}. {Valeu a pena.|Amanhã tem mais.}
Hoje mostrei a Lua {para os vizinhos|para minha sobrinha}. {Nos primeiros dez segundos ninguém fala.|"É um lugar!" É, sim.}
""",
    "jazz": """
Transcrever {oito|dezesseis} compassos de {uma balada|um blues rápido} levou {a semana toda|nove noites}. {As pausas são o mais difícil.|O ouvido dói, a alma não.}
{Vassourinhas|Um trompete com surdina} numa {terça|noite} de chuva. {Não precisa de mais nada.|É só isso.}
Que disco vocês dariam para quem diz que não gosta de jazz?
""",
    "sourdough": """
{Setenta|Oitenta} por cento de hidratação, {uma noite na geladeira|quatro dobras}, e uma casca {que canta|que se ouve do corredor}.
Mais um pão achatado. {Faltou fermentar?|Passou do ponto?|Foi a farinha?} O miolo diz {que sim, a casca diz que não|uma coisa, a casca diz outra}.
Meu fermento se chama {Geraldo|Seu Levi}. {Dobrou em quatro horas.|Fugiu do pote esta noite.}
""",
    "chess": """
Perdi um final ganho, {torre e dois peões|um bispo a mais}. {Joguei rápido demais.|Esqueci o afogamento.}
Noite de clube: {duas vitórias e um empate|três derrotas e um bom café}. {O empate foi o melhor.|Ainda estou revendo o lance 23.}
{A menina de nove anos|O senhor de boné} da praça me venceu em {dezenove|vinte e quatro} lances e depois {explicou tudo|me deu um biscoito}.
""",
    "watercolour": """
Molhado no molhado, {duas|três} cores, {dez|vinte} minutos: {um porto|um morro na neblina}. {Difícil é parar.|Exagerei no lado esquerdo.}
Página {doze|quarenta} do caderno: {gente dormindo no bonde|meu café da manhã}. {Ninguém acordou.|O ovo é mais difícil do que parece.}
Que papel vocês usam para {aguadas grandes|viagem}? O meu ondula {só de olhar|na primeira pincelada}.
""",
    "tide-pools": """
Maré baixa às {5h40|6h15}: {duas lebres-do-mar|anêmonas por todo lado}, {mãos geladas|uma gaivota curiosa}.
Levanta a pedra, olha e devolve {com cuidado|do jeito que estava}. {É o teto de alguém.|Metade da poça mora ali embaixo.}
Limpeza da praia no fim: {seis quilos|dois sacos} de {corda|tampinhas} e {um sapato de outra década|um soldadinho de plástico}.
""",
    "open-source": """
Saiu a versão {0.9|2.1}. {Menos recursos, menos bugs.|Três pessoas já acharam o que eu esqueci.}
Uma pessoa desconhecida consertou {nosso pior teste|a documentação} em {quatro linhas|uma tarde}. {Valeu, seja quem for.|É por isso que a gente trabalha em público.}
Como dizer não a uma contribuição {grande|boa} com gentileza? Estou no comentário desde {segunda|uma hora atrás}.
""",
    "football": """
{Quarenta e oito|Quarenta e nove} do segundo tempo, {na trave|gol contra}, e {o bar inteiro|a rua toda} em silêncio. {Toda semana é assim.|Vou dar uma volta.}
O sub-{10|12} ganhou de {3 a 2|4 a 1} hoje cedo. {A goleira fez gol.|Laranja no intervalo, como manda a tradição.}
O clássico feminino esgotou em {uma hora|uma manhã}. {Já era hora.|Lembro quando éramos oitenta na arquibancada.}
""",
    "local-council": """
A câmara vota na {terça|quinta} {a ciclovia|o horário da biblioteca|a piscina pública}. A pauta é aberta e {ninguém lê|tem só duas páginas}.
{Quarenta|Sessenta} pessoas foram falar {do hospital antigo|do estacionamento}. {Só duas gritaram.|Mais acordo do que eu esperava.}
Quem cuida {dos postes|da passagem alagada}? {A prefeitura diz que é o estado, o estado diz que é a prefeitura.|Terceiro e-mail, sem resposta.}
""",
    "parenting": """
Pergunta do dia ({quatro|seis} anos): {para onde vai o ontem?|peixe sente sede?} {Falei que ia pesquisar.|Sem mais perguntas.}
Dormi {três|quatro} horas, {aos pedaços|no chão do quarto}. {Café é alimento.|O bebê está ótimo, claro.}
Para quem {carregou o carrinho na escada|segurou a porta}: {valeu mesmo|você salvou meu dia}.
""",
    "train-travel": """
{Trem noturno|Trem lento|Primeiro trem} para {o litoral|a serra}: {janela, garrafa térmica e livro|seis horas e quero mais}.
Baldeação de {quatro|sete} minutos {na chuva|numa estação desconhecida}. {Deu certo.|Não deu, mas a sopa estava ótima.}
{Quarenta|Noventa} minutos de atraso por causa de {uma vaca|um galho na linha}. {O vagão virou um coral.|Já dividimos todos os biscoitos.}
""",
    "photography": """
Um filme só {este mês|esta semana}, {preto e branco|vencido}. {Trinta e seis fotos obrigam a olhar.|Quatro boas, e está bom.}
Hora azul {no cais|na ponte}, {tripé na poça|oito segundos}. {Meia molhada, paciência.|Um ciclista desenhou a linha de luz.}
Imprimam suas fotos. {Caixa de sapato dura mais que HD.|Mesmo pequeno. Mesmo mal.}
""",
    "birds": """
{Duzentas|Umas quarenta} andorinhas em cima da casa no fim da tarde. {O som chega primeiro.|Os vizinhos saíram para ver.}
{O martim-pescador|A garça} voltou {para a represa|para o açude} hoje cedo, {no mesmo galho|com um peixe maior que a cabeça}.
No comedouro: {nove canários|onze pardais}, {uma pomba enorme|um esquilo em transe}.
""",
    "knitting": """
Comecei {um cardigã|umas meias|um xale} em {lã sem tingir|um verde que não tem nome}. {Até a primavera.|A última amostra mentiu.}
Desmanchei {a manga|o calcanhar} pela {segunda|terceira} vez. {Era a tensão do fio.|Eu estava vendo TV, culpa minha.}
O cotovelo cerzido virou minha parte favorita {da blusa|do casaco}. {Fio dourado no cinza.|Uma noite e zero reais.}
""",
}

ENDINGS = """
Amanhã tem mais.
Aos poucos.
E vocês?
Depois eu conto.
Assim vai a semana.
Boa {segunda|sexta} para todo mundo.
Aceito opiniões.
Sem reclamações.
"""

REPLIES = """
Alegrou {minha manhã|minha noite}, valeu.
{Aqui também|Exatamente}. {Achei que era só comigo.|Levei um ano para perceber.}
Quanto tempo levou?
Tentei {no mês passado|no inverno} e {deu mais certo do que eu esperava|deu tudo errado}.
Discordo, mas entendo {a ideia|a graça}.
{Que lindo|Maravilha}. {Tem mais?|Vou guardar.}
Pode compartilhar {os detalhes|o endereço}? {Uma amiga está procurando.|Quero tentar.}
Ha! {Conheço essa sensação.|Acontece toda vez.}
"""

QUOTES = """
Leiam {hoje|duas vezes}.
Faz {semanas|anos} que tento dizer isso.
Não concordo com tudo, mas é o melhor argumento até agora.
Para quem perguntou {ontem|na semana passada}: está aqui.
"""

GENERATED = """
Feito com {name} {hoje cedo|antes de dormir}. {Quarta tentativa.|A primeira tinha sete patas.}
Gerado, não pintado. {O prompt está junto, continuem.|Mesmo assim, gosto da luz.}
Pedi a {name} algo {calmo|meio estranho} e veio isto.
"""

REMIXES = """
Remix: {mesma luz, outra estação|mesma ideia, mais fria}.
Não resisti a fazer um remix. {Valeu pelo prompt.|Só troquei duas palavras.}
"""

SENSITIVE = {
    "nsfw": """
Modelo vivo hoje à noite, nu, poses de {dois|vinte} minutos, {carvão|nanquim e água}. {As mãos continuam impossíveis.|Minhas melhores costas até agora.}
""",
    "graphic": """
A foto prometida {do meu joelho|do meu cotovelo} depois {da descida|do tombo nas pedras}. {Sete|Nove} pontos; se sangue incomoda, pule esta.
""",
}
