"""The words that demo records are made of; no rules here."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Scene:
    """One demo organization and the world that its clients live in."""

    slug: str
    name: str
    time_zone: str
    country: str
    currency: str
    phone: str
    """E.164 with `#` for each digit that varies."""
    cities: tuple[tuple[str, str | None], ...]
    """City and postal code."""
    streets: tuple[str, ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    openings: tuple[str, ...]
    trades: tuple[tuple[str, str], ...]
    """What a firm does, and its industry."""
    types: tuple[str, ...]
    individuals: int
    """How many of a hundred clients are persons."""


UGANDAN_FIRST: Final = (
    "Grace", "Moses", "Sarah", "Ivan", "Joan", "Brian", "Prossy", "Ronald", "Esther", "Denis",
    "Harriet", "Samuel", "Aisha", "Godfrey", "Ruth", "Patrick", "Winnie", "Isaac", "Florence", "Yusuf",
)  # fmt: skip
UGANDAN_LAST: Final = (
    "Nakato", "Okello", "Namubiru", "Mugisha", "Achieng", "Ssebunya", "Atim", "Kato", "Babirye", "Waiswa",
    "Nabirye", "Tumusiime", "Auma", "Kiggundu", "Namukasa", "Ochieng", "Mirembe", "Lubega", "Akello", "Byaruhanga",
)  # fmt: skip
BRITISH_FIRST: Final = (
    "Olivia", "George", "Amelia", "Harry", "Isla", "Jack", "Ava", "Noah", "Emily", "Charlie",
    "Sophie", "Oscar", "Freya", "Leo", "Alice", "Arthur", "Ella", "Theo", "Ruby", "Henry",
)  # fmt: skip
BRITISH_LAST: Final = (
    "Hughes", "Patel", "Walker", "Evans", "Clarke", "Ahmed", "Robinson", "Wright", "Turner", "Singh",
    "Cooper", "Ward", "Morris", "Bailey", "Khan", "Murphy", "Foster", "Reid", "Doyle", "Webb",
)  # fmt: skip
AMERICAN_FIRST: Final = (
    "Madison", "Ethan", "Chloe", "Mason", "Hannah", "Logan", "Zoe", "Caleb", "Naomi", "Dylan",
    "Paige", "Owen", "Brooke", "Wyatt", "Autumn", "Miles", "Jade", "Carter", "Willow", "Hudson",
)  # fmt: skip
AMERICAN_LAST: Final = (
    "Brooks", "Ramirez", "Sullivan", "Chen", "Fisher", "Nguyen", "Barnes", "Ortiz", "Myers", "Kim",
    "Hayes", "Coleman", "Jenkins", "Powell", "Flores", "Bryant", "Griffin", "Dixon", "Reyes", "Stone",
)  # fmt: skip

SCENES: Final[tuple[Scene, ...]] = (
    Scene(
        "radio", "Lakeside FM", "Africa/Kampala", "UG", "UGX", "+25677#######",
        (("Jinja", None), ("Kampala", None), ("Iganga", None), ("Mbale", None), ("Entebbe", None)),
        ("Main Street", "Lubas Road", "Gabula Road", "Clive Road", "Iganga Road", "Station Road"),
        UGANDAN_FIRST, UGANDAN_LAST,
        ("Lake View", "Nile", "Source", "Crane", "Pearl", "Busoga", "Kyabazinga", "Bujagali", "Victoria",
         "Equator", "Sunrise", "Highway", "Central", "Royal", "Unity", "Harvest", "Mpumudde", "Walukuba",
         "Speke", "Owen Falls", "Kiira", "Bugembe", "Kakira", "Namulesa"),
        (("Coffee Growers", "agriculture"), ("Hardware", "retail"), ("Guest House", "hospitality"),
         ("Motors", "automotive"), ("Pharmacy", "health"), ("Primary School", "education"),
         ("Builders", "construction"), ("Savings Society", "financial_services"), ("Bakery", "retail"),
         ("Community Choir", "community"), ("Telecom Shop", "telecommunications"), ("Church", "religious")),
        ("prospect", "prospect", "partner", "community_organization"), 5,
    ),
    Scene(
        "jobs", "Brightway Field Services", "Europe/London", "GB", "GBP", "+447700900###",
        (("Leeds", "LS1 4DY"), ("York", "YO1 7HH"), ("Harrogate", "HG1 2SZ"), ("Bradford", "BD1 1HX")),
        ("Station Road", "Mill Lane", "Church Street", "Park Avenue", "Victoria Road", "Kings Drive"),
        BRITISH_FIRST, BRITISH_LAST,
        ("Northgate", "Riverside", "Whitehall", "Oakfield", "Castle", "Greenhill", "Millstone", "Harbour",
         "Elmwood", "Kingsway", "Priory", "Moorland", "Beacon", "Albion", "Crescent", "Quarry"),
        (("Dental Practice", "health"), ("Property Management", "property"), ("Primary Academy", "education"),
         ("Logistics", "transport"), ("Leisure Centre", "facilities"), ("Bistro", "hospitality"),
         ("Precision Tools", "manufacturing"), ("Solicitors", "professional_services"),
         ("Energy", "energy_utilities"), ("Garage", "automotive")),
        ("customer", "commercial", "commercial", "contractor", "partner"), 45,
    ),
    Scene(
        "bookings", "Cedar Springs Retreat", "America/Denver", "US", "USD", "+1303555####",
        (("Boulder", "80302"), ("Denver", "80202"), ("Golden", "80401"), ("Longmont", "80501")),
        ("Pearl Street", "Canyon Boulevard", "Larimer Street", "Aspen Avenue", "Prospect Road"),
        AMERICAN_FIRST, AMERICAN_LAST,
        ("Summit", "Front Range", "Columbine", "Flatiron", "Bluebird", "Timberline", "Ridgeway", "Clearwater"),
        (("Wellness Group", "wellness"), ("Outdoor Club", "leisure"), ("Software", "technology"),
         ("Law Partners", "professional_services"), ("Medical Center", "health")),
        ("customer", "customer", "member"), 80,
    ),
    Scene(
        "recruitment", "Harbour Talent", "Europe/London", "GB", "GBP", "+442079460###",
        (("London", "EC1A 1BB"), ("London", "SW1A 2AA"), ("Reading", "RG1 1AF"), ("Croydon", "CR0 1AA")),
        ("Fleet Street", "Cheapside", "Moorgate", "Bishopsgate", "Holborn", "Queen Street"),
        BRITISH_FIRST, BRITISH_LAST,
        ("Aldgate", "Meridian", "Thames", "Sterling", "Regent", "Falcon", "Orion", "Paragon", "Sovereign",
         "Lantern", "Compass", "Halcyon", "Keystone", "Vanguard", "Whitmore", "Langdale", "Marlowe", "Pinnacle",
         "Strand", "Tideway", "Cornhill", "Ashdown", "Bellwether", "Northcote", "Ravenscourt", "Wren",
         "Peregrine", "Hartley"),
        (("Capital", "financial_services"), ("Software", "technology"), ("Chambers", "legal"),
         ("Estates", "property"), ("Media", "media"), ("Networks", "telecommunications"),
         ("Engineering", "manufacturing"), ("Hotels", "hospitality"), ("Health", "health")),
        ("prospect", "employer", "employer", "supplier", "partner"), 0,
    ),
    Scene(
        "relationship", "Fern & Hollow Consulting", "America/New_York", "US", "USD", "+1212555####",
        (("New York", "10001"), ("Brooklyn", "11201"), ("Hoboken", "07030"), ("Stamford", "06901")),
        ("Broadway", "Lexington Avenue", "Court Street", "Washington Street", "Madison Avenue"),
        AMERICAN_FIRST, AMERICAN_LAST,
        ("Hudson", "Liberty", "Beekman", "Gotham", "Harlem", "Tribeca", "Empire", "Battery", "Stuyvesant",
         "Chelsea", "Bowery", "Gramercy", "Astor", "Delancey", "Mercer", "Vesey", "Bleecker", "Fulton",
         "Houston", "Ludlow", "Madison", "Nassau", "Orchard", "Pike", "Rivington", "Spruce", "Thompson",
         "Varick", "Warren", "Whitehall", "Wooster"),
        (("Foundry", "manufacturing"), ("Analytics", "technology"), ("Trust", "financial_services"),
         ("Freight", "transport"), ("Clinics", "health"), ("Press", "professional_services"),
         ("Builders", "construction"), ("Markets", "retail")),
        ("prospect", "customer", "customer", "supplier", "partner"), 0,
    ),
)  # fmt: skip
