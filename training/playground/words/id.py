"""Sentences in Indonesian. One post a line; {a|b} stands for one of its alternatives."""
# ruff: noqa: E501 -- one post a line reads better than a wrapped one

TOPICS = {
    "ceramics": """
Hari ini bikin {tiga cangkir|satu vas tinggi|dua mangkuk} di meja putar, dan {tidak ada yang runtuh|cuma satu yang miring}.
Besok jam {tujuh|dua belas} buka tungku. {Isinya empat puluh buah dan aku kurang tidur.|Semoga glasir birunya jadi.}
Ada yang tahu caranya supaya {gagang tidak retak|piring tidak melengkung} waktu dikeringkan?
""",
    "trail-running": """
{Dua belas|Delapan belas} kilometer {menembus kabut|lewat hutan pinus} sebelum sarapan. {Lumpur sampai lutut.|Ketemu seekor musang, tidak ketemu orang.}
Tanjakan {ke menara|ke pos dua} tidak pernah jadi lebih pendek, tapi hari ini {cuma sekali jalan kaki|lari terus sampai atas}.
Kalian makan apa setelah lari {tiga|empat} jam? Aku sudah bosan {makan gel|makan kurma}.
""",
    "bike-repair": """
Bengkel sepeda gratis hari {Sabtu|Minggu} di depan perpustakaan. Bawa {ban bocor|rem yang bunyi}, kami siapkan {teh|alatnya}.
Rantai sering loncat? Ukur dulu. {Alatnya murah|Cuma semenit}, daripada ganti {sproket|satu set gir}.
Menyelamatkan {rangka besi|sepeda anak} dari tempat sampah. {Ganti kabel, langsung jalan.|Semuanya rusak, semuanya akan diperbaiki.}
""",
    "urban-gardening": """
Laporan balkon: {sebelas tomat|satu terong yang sombong}, {belum ada kutu daun|seekor lebah mampir}, dan daun mint kebanyakan.
Menanam {kangkung|bayam|bawang putih} di {peti bekas|ember cat}. {Kucing sudah memeriksa.|Sekarang tinggal menunggu.}
Siput {satu|tiga}, aku nol. Berikutnya: {cangkang telur|senter tengah malam}.
""",
    "astronomy": """
Akhirnya langit cerah. {Saturnus|Jupiter dan dua bulannya|Nebula Orion} dari {tempat parkir|atap rumah}, pakai {teleskop 60 mm|teleskop bekas}.
{Tiga|Tujuh} meteor dalam satu jam dan {kaki kedinginan|burung hantu yang ribut}. {Tidak menyesal.|Besok lagi.}
Malam ini memperlihatkan Bulan {ke tetangga|ke keponakan}. {Sepuluh detik pertama selalu hening.|"Ternyata itu tempat, ya." Iya.}
""",
    "jazz": """
Menyalin {delapan|enam belas} bar {lagu balada|blues cepat} makan waktu {seminggu|sembilan malam}. {Yang paling susah justru jedanya.|Telinga capek, hati senang.}
{Suara brush di snare|Trompet pakai mute} di hari {Selasa|Minggu} yang hujan. {Tidak perlu apa-apa lagi.|Sekian.}
Kalau ada yang bilang tidak suka jazz, kalian kasih rekaman apa?
""",
    "sourdough": """
Hidrasi {tujuh puluh|delapan puluh} persen, {semalam di kulkas|empat kali lipat}, dan kulitnya {berbunyi|renyah sampai terdengar ke ruang tamu}.
Rotinya bantat lagi. {Kurang lama?|Kelamaan?|Salah tepung?} Bagian dalam bilang {iya, kulitnya bilang tidak|begini, kulitnya bilang begitu}.
Ragi alamiku namanya {Pak Gembul|Si Ucok}. {Naik dua kali lipat dalam empat jam.|Semalam dia kabur dari toples.}
""",
    "chess": """
Kalah di permainan akhir yang harusnya menang, {benteng dan dua pion|unggul satu gajah}. {Terlalu buru-buru.|Lupa soal pat.}
Malam klub: {dua menang satu remis|tiga kalah dan kopi enak}. {Yang remis paling seru.|Langkah ke-23 masih kupikirkan.}
{Anak sembilan tahun|Bapak tua} di taman mengalahkanku dalam {sembilan belas|dua puluh empat} langkah, lalu {menjelaskan semuanya|menawari biskuit}.
""",
    "watercolour": """
Basah di atas basah, {dua|tiga} warna, {sepuluh|dua puluh} menit: {pelabuhan|sawah berkabut}. {Yang susah itu berhenti.|Sebelah kiri kebanyakan.}
Buku sketsa halaman {dua belas|empat puluh}: {orang tidur di kereta|sarapanku}. {Tidak ada yang bangun.|Menggambar telur ternyata susah.}
Kertas apa yang enak untuk {sapuan lebar|dibawa jalan}? Punyaku {langsung bergelombang|keriting kena air sedikit}.
""",
    "tide-pools": """
Air surut jam {5.40|6.15}: {dua kelinci laut|anemon di mana-mana}, {tangan keriput|kepiting yang penasaran}.
Angkat batunya, lihat, lalu kembalikan {pelan-pelan|seperti semula}. {Itu atap rumah makhluk lain.|Separuh isi kolam tinggal di bawahnya.}
Bersih-bersih pantai setelahnya: {enam kilo|dua karung} {tali|tutup botol} dan {sandal dari zaman lain|mainan tentara}.
""",
    "open-source": """
Versi {0.9|2.1} sudah rilis. {Fitur berkurang, bug berkurang.|Sudah tiga orang menemukan yang kulupakan.}
Ada orang tak dikenal memperbaiki {tes kami yang paling rewel|dokumentasi} dengan {empat baris|satu sore kerja}. {Terima kasih, siapa pun kamu.|Ini alasan kami kerja terbuka.}
Bagaimana menolak pull request yang {besar|bagus} dengan sopan? Sudah {dari Senin|satu jam} aku mengetik komentarnya.
""",
    "football": """
Menit sembilan puluh {tiga|empat}, {kena tiang|gol bunuh diri}, dan {seluruh warung|satu gang} langsung diam. {Tiap minggu begini terus.|Aku butuh jalan kaki dulu.}
Tim U-{10|12} menang {3-2|4-1} tadi pagi. {Kipernya yang mencetak gol.|Jeruk waktu istirahat, sesuai tradisi.}
Tiket derbi putri habis dalam {satu jam|satu pagi}. {Akhirnya.|Dulu yang nonton cuma delapan puluh orang.}
""",
    "local-council": """
Hari {Selasa|Kamis} ada rapat soal {jalur sepeda|jam buka perpustakaan|kolam renang} di balai kota. Agendanya terbuka, {cuma tidak ada yang baca|hanya dua halaman}.
{Empat puluh|Enam puluh} warga datang membahas {rumah sakit lama|parkir}. {Yang teriak cuma dua.|Ternyata banyak yang sepakat.}
Siapa yang mengurus {lampu jalan|terowongan yang banjir}? {Kota bilang provinsi, provinsi bilang kota.|Surat ketiga, belum dibalas.}
""",
    "parenting": """
Pertanyaan hari ini dari anak {empat|enam} tahun: {kemarin perginya ke mana?|ikan bisa haus tidak?} {Kubilang nanti kucari tahu.|Aku kehabisan jawaban.}
Tidur {tiga|empat} jam, {sepotong-sepotong|di lantai kamar anak}. {Kopi itu makanan pokok.|Bayinya segar bugar, tentu saja.}
Untuk orang yang tadi {mengangkat kereta bayi di tangga|menahan pintu}: {terima kasih|hariku terselamatkan}.
""",
    "train-travel": """
{Kereta malam|Kereta ekonomi|Kereta pertama} ke {pantai|pegunungan}: {jendela, termos, dan buku|enam jam dan masih kurang}.
Waktu pindah kereta cuma {empat|tujuh} menit, {hujan pula|di stasiun yang asing}. {Terkejar.|Tidak terkejar, tapi sotonya enak sekali.}
Terlambat {empat puluh|sembilan puluh} menit gara-gara {kambing di rel|pohon tumbang}. {Satu gerbong jadi paduan suara.|Semua biskuit sudah dibagi.}
""",
    "photography": """
Satu rol film saja {bulan ini|minggu ini}, {hitam putih|kedaluwarsa}. {Tiga puluh enam jepretan bikin kita lebih teliti.|Empat yang bagus, sudah cukup.}
Jam biru {di pelabuhan|di jembatan}, {tripod di genangan air|delapan detik}. {Kaus kaki basah, tidak apa-apa.|Seorang pesepeda menggambar garis cahayanya.}
Cetaklah foto kalian. {Kotak sepatu lebih awet daripada hard disk.|Kecil pun jadi. Jelek pun jadi.}
""",
    "birds": """
{Dua ratus|Sekitar empat puluh} burung layang-layang di atas rumah waktu senja. {Suaranya datang duluan.|Tetangga sampai keluar melihat.}
{Raja udang|Kuntul} itu kembali {ke pintu air|ke sawah belakang} pagi ini, {di dahan yang sama|membawa ikan yang lebih besar dari kepalanya}.
Di tempat pakan: {sembilan burung pipit|sebelas burung gereja}, {seekor tekukur gendut|seekor tupai yang bengong}.
""",
    "knitting": """
Mulai merajut {kardigan|kaus kaki|selendang} dari {wol tanpa pewarna|benang hijau yang tidak ada namanya}. {Sampai jumpa beberapa bulan lagi.|Sampelnya pernah menipu, jadi kubuat dua.}
Bongkar {lengan|tumit} untuk {kedua|ketiga} kalinya. {Tegangan benangnya salah.|Sambil nonton TV, salahku sendiri.}
Siku yang ditambal jadi bagian favoritku {dari sweter ini|dari jaket ini}. {Benang emas di atas abu-abu.|Satu malam dan gratis.}
""",
}

ENDINGS = """
Besok lanjut lagi.
Pelan-pelan saja.
Kalau kalian?
Nanti kukabari.
Begitulah minggu ini.
Selamat {hari Senin|hari Jumat|berakhir pekan}.
Boleh minta pendapat.
Tidak ada keluhan.
"""

REPLIES = """
{Pagiku|Malamku} jadi cerah, terima kasih.
{Sama|Persis}. {Kukira cuma aku yang begitu.|Butuh setahun sampai aku sadar.}
Butuh waktu berapa lama?
{Bulan lalu|Waktu itu} kucoba juga, {hasilnya di luar dugaan|gagal total}.
Kurang setuju, tapi aku paham {maksudnya|daya tariknya}.
{Indah sekali|Keren}. {Ada lagi?|Kusimpan dulu, ya.}
Boleh minta {detailnya|alamatnya}? {Temanku sedang mencari ini.|Aku mau coba.}
Ha! {Aku paham rasanya.|Selalu begitu.}
"""

QUOTES = """
Wajib dibaca {hari ini|dua kali}.
Sudah {berminggu-minggu|bertahun-tahun} aku mau bilang ini.
Belum sepenuhnya setuju, tapi ini argumen terbaik sejauh ini.
Buat yang {kemarin|minggu lalu} bertanya: ini dia.
"""

GENERATED = """
Dibuat dengan {name} {tadi pagi|sebelum tidur}. {Percobaan keempat.|Yang pertama kakinya tujuh.}
Hasil AI, bukan lukisan. {Prompt ada di sini, silakan dilanjutkan.|Tapi cahayanya aku suka.}
Aku minta {name} sesuatu yang {tenang|agak aneh}, jadinya begini.
"""

REMIXES = """
Remix: {cahayanya sama, musimnya lain|idenya sama, lebih dingin}.
Tidak tahan untuk tidak bikin remix. {Terima kasih prompt-nya.|Cuma dua kata yang diganti.}
"""

SENSITIVE = {
    "nsfw": """
Malam ini menggambar model telanjang, pose {dua|dua puluh} menit, {arang|tinta dan air}. {Tangan tetap paling susah.|Punggung terbaikku sejauh ini.}
""",
    "graphic": """
Ini foto {lututku|sikuku} setelah {turunan kemarin|jatuh di bebatuan}. {Tujuh|Sembilan} jahitan, lewati saja kalau tidak kuat lihat darah.
""",
}
