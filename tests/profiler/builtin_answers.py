"""The built-in questions worked out: what each answer must be, computed here and not copied from the query file.

A question is named by how its text begins. test_builtin.py asks for every number to stand in one of the tables.
"""

import itertools
import math
from collections.abc import Mapping
from datetime import date
from fractions import Fraction

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

COMPUTED: Mapping[str, object] = {  # question: its answer; of a choice, the right option's words
    # mathematics
    "What is the sum of all whole": sum(range(1, 41)),
    "A rectangle is three times as": next(3 * w * w for w in range(1, 57) if 2 * (w + 3 * w) == 56),
    "In how many different orders": math.factorial(6),
    "What is the smallest positive": next(n for n in range(1, 36) if n % 5 == 2 and n % 7 == 3),
    "What is the sum of the two roots": sum(x for x in range(-20, 21) if x * x - 9 * x + 14 == 0),
    "What is the determinant of the": 3 * 7 - 5 * 2,
    "Which of these numbers is prime?": next(n for n in (97, 87, 91, 93) if all(n % d for d in range(2, n))),
    "Two fair six-sided dice are thrown.": sum(a + b >= 10 for a in range(1, 7) for b in range(1, 7)),
    "What is 17 times 23?": 17 * 23,
    "Write 3/8 as a decimal number.": 3 / 8,
    "What is the greatest common divisor": math.gcd(84, 126),
    "Solve for x: 5x - 7 = 3x + 15.": next(x for x in range(100) if 5 * x - 7 == 3 * x + 15),
    "What is the logarithm of 64 to": math.log2(64),
    "How many diagonals does a convex": math.comb(9, 2) - 9,
    "What is the last digit of 7 to": pow(7, 2023, 10),
    "How many whole numbers from 1": sum(n % 3 == 0 or n % 5 == 0 for n in range(1, 101)),
    "In how many ways can a committee": math.comb(8, 3),
    "What is the definite integral": 4**3 - 1**3,
    "For which x does x^2 - 6x + 11": f"x = {min(range(-9, 10), key=lambda x: x * x - 6 * x + 11)}",
    # word problems
    "A baker sells rolls at 35 cents": 14 * 35 - 2 * 35,
    "A train leaves at 14:50 and arrives": (18 * 60 + 15) - (14 * 60 + 50),
    "Mira reads 18 pages a day. Her": (405 - 63) / 18,
    "A jacket costs 80 euros. Its": 80 * 1.25 * 0.8,
    "Three taps fill a tank alone": 1 / (Fraction(1, 6) + Fraction(1, 12) + Fraction(1, 4)),
    "A farmer has hens and rabbits:": next(r for r in range(31) if 4 * r + 2 * (30 - r) == 84),
    "Tickets cost 12 euros for adults": next(c for c in range(10) if 12 * (9 - c) + 7 * c == 83),
    "Leo walks 4 km to the lake at": 4 / 6 * 60 + 4 / 12 * 60,
    "Anna buys 4 notebooks at 3 euros": 20 - 4 * 3,
    "A bus has 32 seats, and three": 32 - 32 * 3 // 4,
    "A recipe for 4 people needs 300": 300 / 4 * 10,
    "Six workers build a wall in 10": 6 * 10 / 4,
    "A tank holds 2,000 litres and": Fraction(2000) * Fraction(95, 100) ** 2,
    "Tom is three times as old as": next(d for d in range(1, 99) if 3 * d + 12 == 2 * (d + 12)),
    "Two cyclists 90 km apart start": 90 / (20 + 25),
    "How many litres of pure water": next(
        w for w in range(1, 50) if Fraction(6 * 20, 100) / (6 + w) == Fraction(15, 100)
    ),
    "A snail climbs a pole of 10 metres.": next(day for day in range(1, 50) if (day - 1) * (3 - 2) + 3 >= 10),
    "A school of 480 pupils has 20": next(g for g in range(481) if g - (480 - g) == 20),
    # computing
    "What is the decimal value of the binary": 0b101101,
    "How many different values can": 2**8,
    "What is the decimal value of the hexadecimal": 0x2F,
    "What does the Python expression len('a,b,,c'.split(','))": len("a,b,,c".split(",")),  # noqa: SIM905
    "What does the Python expression sum(x": sum(x * x for x in range(4)),
    # economics
    "1,000 euros are invested at 5": 1000 * Fraction(105, 100) ** 2,
    "A shop buys a lamp for 60 euros": (75 - 60) / 60 * 100,
    "A firm has fixed costs of 600": 600 / (10 - 4),
    "Consumption is 700, investment": 700 + 150 + 200 + 120 - 90,
    # finance
    "How many euros of simple interest": 2000 * 3 * 4 / 100,
    "A share was bought for 40 euros": (50 - 40) / 40 * 100,
    "A bond with a face value of 1,000": 1000 * 6 / 100,
    "A share costs 80 euros and pays": Fraction(320, 100) / 80 * 100,
    "A share costs 45 euros, and the": 45 / 3,
    "What is the present value, in": 1210 / Fraction(11, 10) ** 2,
    "The net price is 150 euros and": Fraction(150) * Fraction(120, 100),
    "A price of 119 euros includes": Fraction(119) / Fraction(119, 100),
    "One euro costs 1.25 US dollars.": 500 / 1.25,
    "60 percent of a portfolio return": Fraction(60 * 10 + 40 * 5, 100),
    "A machine costs 12,000 euros": (12000 - 2000) / 5,
    "By the rule of 72, in how many": 72 / 6,
    "Current assets are 300,000 euros": 300000 / 200000,
    "A loan of 10,000 euros is paid": (10000 - 1000) * 5 / 100,
    # physics
    "A car accelerates uniformly from": 24 / 6,
    "A voltage of 36 V is applied": 36 / 12,
    "A stone falls freely from rest": 10 * 3**2 / 2,
    "A radioactive sample has a half-life": str(Fraction(1, 2) ** (24 // 8)),
    "A force of 20 N acts on a body": 20 / 5,
    "Resistors of 6 ohms and 3 ohms": 1 / (Fraction(1, 6) + Fraction(1, 3)),
    "What is the kinetic energy, in": 4 * 5**2 / 2,
    "A wave has a frequency of 50": 50 * 4,
    "A spring with a stiffness of": Fraction(200) * Fraction(1, 10) ** 2 / 2,
    "An ideal gas is heated from 300": 600 / 300,
    # chemistry
    "What is the pH of a solution": -math.log10(0.001),
    "What is the molar mass of carbon": 12 + 2 * 16,
    "How many moles are 90 grams of": 90 / 18,
    "Which whole number x balances": (3 * 2 + 4) / 2,
    "What is the oxidation number": 4 * 2 - 1,
    # biology
    "Both parents are healthy carriers": sum(a + b == "aa" for a in "Aa" for b in "Aa") / 4 * 100,
    "Two plants Aa are crossed, and": sum("A" in a + b for a in "Aa" for b in "Aa") / 4 * 100,
    "A bacterium divides every 20": 2 ** (3 * 60 // 20),
    # language
    "Which of these words is a palindrome?": next(w for w in ("level", "lever", "lemon", "label") if w == w[::-1]),
    # reasoning
    "Which number comes next: 2, 6,": 6 * 7,
    "A dark drawer holds 10 black": 2 + 1,
    "The day after tomorrow is Sunday.": DAYS[DAYS.index("Sunday") - 3],
    "Knights always tell the truth": next(
        f"{'Pia is a knight' if pia else 'Pia is a knave'} and {'Quin is a knight' if quin else 'Quin is a knave'}."
        for pia in (True, False)
        for quin in (True, False)
        if pia == (not pia or not quin)
    ),
    "A bat and a ball cost 2.20 euros": next(b for b in range(221) if b + (b + 200) == 220),
    "Which number comes next: 1, 1,": 5 + 8,
    "Which number comes next: 3, 6,": 24 * 2,
    "Five people meet, and each shakes": math.comb(5, 2),
    "Today is Wednesday. Which day": DAYS[(DAYS.index("Wednesday") + 100) % 7],
    "At half past four, how many degrees": abs(4.5 * 30 - 30 * 6),
    "Gold lies in exactly one of three": next(f"In box {g}" for g in (1, 2, 3) if (g == 1) + (g != 2) + (g != 1) == 1),
    "Four books A, B, C and D stand": next(
        o
        for o in map("".join, itertools.permutations("ABCD"))
        if o.index("A") < o.index("B") < o.index("D") < o.index("C")
    ),
    # instructions
    "Reply with the word 'blue' spelled": "blue"[::-1],
    "Write only the third word of": ["Small", "boats", "drift", "slowly", "home"][2],
    "Sort these words alphabetically": ",".join(sorted(["pear", "fig", "apple"])),
    "Write the first letter of each": "".join(word[0] for word in ["cats", "often", "run", "near", "shops"]),
    "Remove every letter 'a' from": "banana".replace("a", ""),
    "How often does the letter 'e'": "excellence".count("e"),
    "Write the word 'moon' three times,": "-".join(["moon"] * 3),
    "Write only the last letter of": "window"[-1],
    "Write the whole numbers from": ",".join(map(str, range(5, 0, -1))),
    "Replace every letter 'o' in 'tomorrow'": "tomorrow".replace("o", "0"),
    "Write the second and the fourth": " ".join(["red", "green", "blue", "yellow", "pink"][1:4:2]),
    "Join the words 'rain' and 'bow'": "rain" + "bow",
    "Write only the longest word of": max(["We", "saw", "a", "gigantic", "bear"], key=len),
    "How many words are in the sentence": len(["The", "old", "man", "sat", "by", "the", "sea"]),
    "If 12 is greater than 9, write": "cat" if 12 > 9 else "dog",
    "Write the letters of 'banana'": "".join(sorted("banana")),
    "Sort these numbers from largest": ",".join(map(str, sorted([14, 3, 27, 9], reverse=True))),
    # extraction
    "In 2019 the village had 812 inhabitants,": 812 - 764,
    "Stock: apples 3 kg, pears 5 kg,": max({"apples": 3, "pears": 5, "plums": 2}.items(), key=lambda item: item[1])[0],
    "Monday 14 degrees, Tuesday 19": max(14, 19, 17),
    "On 3 May the shop sold 14 bikes,": 14 + 9 + 17,
    "The warranty ends on 14 March": 2027 - 2,
    # household
    "How many minutes are two and": 2.5 * 60,
    "How many grams are 2.5 kilograms?": 2.5 * 1000,
    # astronomy
    "A planet is 4 times as far from": (4**3) ** 0.5,
    "About how long does light take": f"{149_600_000 // 299_792 // 60} minutes",
    # common sense
    "How many legs do three dogs and": 3 * 4 + 2 * 2,
    # German
    "Wie viele Tage hat ein Schaltjahr?": (date(2025, 1, 1) - date(2024, 1, 1)).days,
    "Wie viel sind 15 Prozent von": 15 * 240 / 100,
    "Ein Zug fährt um 9:35 Uhr ab": (11 * 60 + 10) - (9 * 60 + 35),
    "Wie viele Buchstaben hat das": len("Schmetterling"),
    # French
    "Combien font 12 multiplié par": 12 * 12,
    "Combien de minutes y a-t-il dans": 3 * 60,
    "Un train part à 8 h 40 et arrive": (10 * 60 + 5) - (8 * 60 + 40),
    "Paul a 15 billes. Il en perd": 15 - 6 + 4,
    # Spanish
    "¿Cuánto es la mitad de 350?": 350 / 2,
    "Un tren sale a las 7:45 y llega": (10 * 60 + 20) - (7 * 60 + 45),
    "María reparte 24 caramelos por": 24 / 6,
    # Chinese
    "十五乘以四等于多少？": 15 * 4,
    "小明有20元，买了3支每支4元的笔。他还剩多少元？": 20 - 3 * 4,
    "一列火车上午9点30分出发，上午11点15分到达。行程一共多少分钟？": (11 * 60 + 15) - (9 * 60 + 30),
    # as people ask in everyday life
    "Here's our shop data:\n\nmonth,visits,orders": sum(
        o / v >= 0.03 for v, o in ((1200, 36), (1500, 60), (1000, 25), (1800, 63))
    ),
    "My running times for 5 km,": sorted([27, 25, 31, 26, 25, 28, 24])[3],
    "Scores of a quiz: 4, 8, 6,": Fraction(4 + 8 + 6 + 5 + 3 + 10 + 6, 7),
    "Sales went from 250 units": Fraction(310 - 250, 250) * 100,
    "product;price;sold\npen;2;140": max(2 * 140, 12 * 35, 30 * 18, 25 * 20),
    "In my spreadsheet A1:A5 holds": sum(cell is not None for cell in (3, None, 7, 0, 5)),
    "A survey: 40 people said yes,": round(40 / 65 * 100, 1),
    "Read this and tell me how": 1931 - 1871,
    "I want to run an LED with": (12 - 2) / Fraction(20, 1000),
    "A motor draws 5 A at 24 V.": 5 * 24,
    "My gear train: the motor's": 1000 * 12 / 48,
    "A battery holds 2400 mAh and": 2400 / 30,
    "A hydraulic cylinder has a": 20 * 50 * 10,
    "What is the safety factor": str(600 // 100),
    "I charge 60 euros an hour": 60 * 25 * 44,
    "Our startup has 180,000 euros": 180000 / 15000,
    "We sell a subscription for": 8 * 15 - 30,
    "りんごを5個買って、2個食べました。そのあと友だちに3個もらいました。今、りんごは何個ありますか。": 5 - 2 + 3,
    "会議は午後2時45分に始まり、午後4時10分に終わりました。会議は何分でしたか。": (4 * 60 + 10) - (2 * 60 + 45),
    "Сколько будет 17 умножить": 17 * 6,
    "Поезд отправляется в 21:40": (30 * 60 + 15) - (21 * 60 + 40),
    "У Маши было 50 рублей. Она": 50 - 3 * 12,
    "Quanto é um quarto de 360?": 360 / 4,
    "Ayşe'nin 24 lirası var ve": 24 - 3 * 5,
    "사과 12개를 4명이 똑같이 나누어 먹으려고 합니다.": 12 / 4,
    "एक दुकान में 7 डिब्बे हैं": 7 * 8,
    "Một cuốn sách có 120 trang,": 120 - 45,
    "Weekend for two: 3 nights": 3 * 85 + 2 * 140 + 12,
    "It's January and 9 in the": 9 + 9,
    "The recipe is for 4 people": 200 / 4 * 6,
    "My American cookbook says": (392 - 32) * 5 / 9,
    "I ran 10 km in 50 minutes.": 50 / 10,
    "I weigh 81 kg and I'm 1.80": round(81 / 1.8**2, 9),
    "Olympic bar is 20 kg, on each": 20 + 2 * (15 + 5),
    "By the rule of thumb '220": 220 - 40,
    "My account is at 120 euros.": Fraction(120) - 75 - Fraction(450, 100) + Fraction(1990, 100),
    "I'm proving by induction that": sum(2 * k - 1 for k in range(1, 13)),
    "I'm painting a wall of 5 m": Fraction(5 * 24, 10) * 2 / 8,
    "how many minutes are there": 24 * 60,
    "I want to exchange 150 pounds.": 150 * Fraction(120, 100) - 5,
    "What does this C++ print?": 7 // 2,
    "By the pigeonhole principle:": 12 + 1,
}

WITHIN = (  # questions whose answer stands in their text
    "Which word is the verb in the",
    "Kim's father has exactly three",
    "Reply with exactly the text between",
    "Order 7731: three lamps for Ms",
    "Net 240.00 EUR, VAT 19 %, total",
    "The meeting was moved from Tuesday",
    "Write to Jonas at j.berg@example.org",
    "The house that Petra had bought",
    "Flight LH 1842 from Oslo to Rome",
    "Invoice 2024-0831, customer:",
    "Alice met Bob in Vienna. A week",
    '{"user": {"name": "Ines", "city":',
    "Neither Paul nor Rita came; only",
    "The flat has 3 rooms on 74 square",
)

KNOWN = (  # numbers that one knows or sees, and that nothing computes: proof-read
    "Which port does HTTPS use by",
    "How many hydrogen atoms are there",
    "How many protons does a carbon",
    "How many chromosomes does a normal",
    "In which year did the Berlin",
    "In which year did Columbus first",
    "In which year did the Second",
    "How many lines does a haiku normally",
    "How many strings does a violin",
    "How many quarter notes fill one",
    "How many keys does a standard",
    "How many semitones make an octave?",
    "How many sharps does the key",
    "How many syllables does the word",
    "Write the French number 'quatre-vingt-dix-sept'",
    "Write the German number 'dreiundvierzig'",
    "Ana is taller than Ben. Ben is",
    "In a race you overtake the runner",
    "How many teaspoons make one tablespoon",
    "Which three-digit emergency number",
    "At how many degrees Celsius does",
    "How many permanent members does",
    "How many senators does each state",
    "How many planets does the solar",
    "How many natural moons does the",
    "En quelle année la Révolution",
    "¿Cuántos lados tiene un hexágono?",
    "一年有多少个月？",
    "在标准大气压下，水的沸点是多少摄氏度？",
    "三角形的内角和是多少度？",
    "Сколько букв в современном",
    "How many players of one team",
    "how many bones does an adult",
    "when was the first moon landing",
)
