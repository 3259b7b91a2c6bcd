"""What the made-up partner trades in: currencies, licences, Azure meters, and invented company names.

Product names are Microsoft's; identifiers, prices and companies are invented. Only constants live here: who buys what
belongs to `scenario`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

AZURE_PLAN_PRODUCT_ID = "DZH318Z0BPS6"
AZURE_PLAN_SKU_ID = "0001"
PARTNER_NAME = "Larkspur Cloud Services"
PARTNER_DOMAIN = "larkspur.example.com"
MICROSOFT = "Microsoft Corporation"
EARNED_CREDIT_TEXT = "15.0% Partner earned credit for services managed"
TaxMode = Literal["line", "document", "none"]


@dataclass(frozen=True)
class Currency:
    """A billing currency of the partner and the market it stands for.

    Attributes:
        code: ISO 4217 code.
        decimals: Digits of its minor unit.
        country: Country code of the customers of this market.
        per_usd: Units of the currency for one US dollar, before the monthly drift.
        tax_mode: Where Microsoft shows tax: on lines, on the document only, or not at all.
        tax_percent: The rate of that tax.
    """

    code: str
    decimals: int
    symbol: str
    country: str
    per_usd: Decimal
    tax_mode: TaxMode
    tax_percent: Decimal

    @property
    def minor_unit(self) -> Decimal:
        """The smallest amount of the currency, as a quantum for `Decimal.quantize`."""
        return Decimal(1).scaleb(-self.decimals)


_CURRENCY_ROWS: tuple[tuple[str, int, str, str, str, TaxMode, str], ...] = (
    ("EUR", 2, "€", "DE", "0.871352906", "line", "19"),
    ("USD", 2, "$", "US", "1", "none", "0"),
    ("JPY", 0, "¥", "JP", "148.271936405", "document", "10"),
    ("GBP", 2, "£", "GB", "0.751203377", "line", "20"),
    ("CHF", 2, "CHF", "CH", "0.812947031", "document", "8.1"),
    ("SEK", 2, "kr", "SE", "9.624817503", "line", "25"),
    ("NOK", 2, "kr", "NO", "10.148230977", "line", "25"),
    ("DKK", 2, "kr.", "DK", "6.498120345", "line", "25"),
    ("CAD", 2, "$", "CA", "1.371094428", "document", "5"),
    ("AUD", 2, "$", "AU", "1.528300194", "document", "10"),
    ("NZD", 2, "$", "NZ", "1.667290483", "document", "15"),
    ("INR", 2, "₹", "IN", "84.290175366", "line", "18"),
    ("BRL", 2, "R$", "BR", "5.460028195", "none", "0"),
    ("KRW", 0, "₩", "KR", "1372.518440627", "document", "10"),
)
CURRENCIES = {
    code: Currency(code, decimals, symbol, country, Decimal(per_usd), tax_mode, Decimal(percent))
    for code, decimals, symbol, country, per_usd, tax_mode, percent in _CURRENCY_ROWS
}


@dataclass(frozen=True)
class Licence:
    """Something sold by the seat or at a fixed price: a licence, a reservation, a savings plan, a SaaS offer.

    Attributes:
        month_price: Provider list price of a unit and month in US dollars.
    """

    product_id: str
    sku_id: str
    availability_id: str
    name: str
    month_price: Decimal
    publisher_name: str = MICROSOFT
    publisher_id: str = "NA"
    category: str = "OnlineServices"
    unit_type: str = "Licenses"


def _licence(product: str, sku: str, availability: str, name: str, price: str) -> Licence:
    return Licence(product, sku, availability, name, Decimal(price))


BUSINESS_PREMIUM = _licence("CFQ7TTC0LCHC", "0002", "CFQ7TTC0K5V2", "Microsoft 365 Business Premium", "17.60")
BUSINESS_STANDARD = _licence("CFQ7TTC0LDPB", "0001", "CFQ7TTC0K59R", "Microsoft 365 Business Standard", "10.00")
BUSINESS_BASIC = _licence("CFQ7TTC0LH18", "0001", "CFQ7TTC0K971", "Microsoft 365 Business Basic", "4.80")
E3 = _licence("CFQ7TTC0LFLX", "0001", "CFQ7TTC0KDJR", "Microsoft 365 E3", "31.20")
E5 = _licence("CFQ7TTC0LFLZ", "0002", "CFQ7TTC0K98B", "Microsoft 365 E5", "42.10")
E5_CALLING = _licence("CFQ7TTC0LFLZ", "0003", "CFQ7TTC0K98C", "Microsoft 365 E5 with Calling (telco part)", "5.90")
EXCHANGE = _licence("CFQ7TTC0LH16", "0001", "CFQ7TTC0M3KV", "Exchange Online (Plan 1)", "3.20")
POWER_BI = _licence("CFQ7TTC0L3PB", "0001", "CFQ7TTC0N9W2", "Power BI Pro", "11.20")
VISIO = _licence("CFQ7TTC0HD32", "0002", "CFQ7TTC0P85B", "Visio Plan 2", "12.00")
PROJECT = _licence("CFQ7TTC0HDB0", "0002", "CFQ7TTC0P7C1", "Planner and Project Plan 3", "24.00")
DEFENDER = _licence("CFQ7TTC0LGV0", "0001", "CFQ7TTC0J1GB", "Microsoft Defender for Business", "2.40")
TEAMS_ROOMS = _licence("CFQ7TTC0QW5P", "0002", "CFQ7TTC0SJKL", "Microsoft Teams Rooms Pro", "32.00")
COPILOT = _licence("CFQ7TTC0MM8R", "0002", "CFQ7TTC0RBZ8", "Microsoft 365 Copilot", "24.00")
RESERVED_VM = Licence(
    "DZH318Z0BQ4L",
    "00V7",
    "DZH318Z0BQ4M",
    "Reserved VM Instance, Standard_D4s_v5, EU West, 1 Year",
    Decimal("92.406600"),
    category="AzureReservation",
    unit_type="1 Hour",
)
SAVINGS_PLAN = Licence(
    "DZH318Z0BXQP",
    "000B",
    "DZH318Z0BXQR",
    "Compute Savings Plan, 1 Year",
    Decimal("365.000000"),
    category="AzureSavingsPlan",
    unit_type="1 Hour",
)
SAAS = Licence(
    "DZH318Z0C7TN",
    "0009",
    "DZH318Z0C7TP",
    "Quillmark Backup for Microsoft 365 - Standard",
    Decimal("2.75"),
    publisher_name="Quillmark Software AB",
    publisher_id="28503520",
    category="SaaS",
    unit_type="User",
)
PDF_EDITOR = Licence(
    "FNWK-PDF-PRO",
    "FP-0025",
    "",
    "Fenwick PDF Pro for teams",
    Decimal("13.60"),
    publisher_name="Fenwick Documents Ltd",
    category="SaaS",
    unit_type="User",
)
SQL_SERVER = Licence(
    "DG7GMGF0FKX9",
    "0002",
    "DG7GMGF0FKXB",
    "SQL Server 2022 Standard - 2 Core License Pack",
    Decimal("3586.00"),
    category="Perpetual software",
)

LICENCES_FOR_ANYONE = (BUSINESS_PREMIUM, BUSINESS_STANDARD, BUSINESS_BASIC, E3, EXCHANGE, POWER_BI, VISIO, DEFENDER)


@dataclass(frozen=True)
class Meter:
    """An Azure (or metered marketplace) meter.

    Attributes:
        price: US dollars a unit in millionths.
        day_quantity: Typical quantity of a day in millionths of a unit.
        is_steady: Consumed evenly (24 hours a day, one disk a day), so the quantity never varies.
    """

    key: str
    category: str
    sub_category: str
    name: str
    unit: str
    price: int
    day_quantity: int
    service: str
    resource_type: str
    is_steady: bool = False
    publisher_name: str = MICROSOFT
    publisher_id: str = "NA"
    product_id: str = AZURE_PLAN_PRODUCT_ID
    sku_id: str = AZURE_PLAN_SKU_ID
    product_name: str = "Azure plan"


def _meter(*row: *tuple[str, str, str, str, str, int, int, str]) -> Meter:
    """A meter from one row: key, category, sub category, name, unit, price, quantity, service/resource type."""
    key, category, sub, name, unit, price, quantity, provider = row
    service, _, kind = provider.partition("/")
    return Meter(key, category, sub, name, unit, price, quantity, service, kind, is_steady=quantity % 1_000_000 == 0)


METERS = (
    _meter(
        "vm-d2",
        "Virtual Machines",
        "Dsv5 Series",
        "D2s v5",
        "1 Hour",
        115_000,
        23_412_907,
        "Microsoft.Compute/virtualMachines",
    ),
    _meter(
        "vm-d4",
        "Virtual Machines",
        "Dsv5 Series",
        "D4s v5",
        "1 Hour",
        230_000,
        21_733_316,
        "Microsoft.Compute/virtualMachines",
    ),
    _meter(
        "disk-p10",
        "Storage",
        "Premium SSD Managed Disks",
        "P10 LRS Disk",
        "1/Month",
        21_680_000,
        32_258,
        "Microsoft.Compute/disks",
    ),
    _meter(
        "blob-hot",
        "Storage",
        "Tiered Block Blob",
        "Hot LRS Data Stored",
        "1 GB/Month",
        19_600,
        16_905_442,
        "Microsoft.Storage/storageAccounts",
    ),
    _meter(
        "blob-write",
        "Storage",
        "Tiered Block Blob",
        "Hot LRS Write Operations",
        "10K",
        5_400,
        3_190_711,
        "Microsoft.Storage/storageAccounts",
    ),
    _meter(
        "sql-vcore",
        "SQL Database",
        "Single/Elastic Pool General Purpose",
        "vCore",
        "1 Hour",
        176_320,
        23_998_120,
        "Microsoft.Sql/servers",
    ),
    _meter(
        "app-p1",
        "Azure App Service",
        "Premium v3 Plan - Linux",
        "P1 v3 App",
        "1 Hour",
        168_000,
        24_000_000,
        "Microsoft.Web/serverfarms",
    ),
    _meter(
        "ip-static",
        "Virtual Network",
        "IP Addresses",
        "Standard IPv4 Static Public IP",
        "1 Hour",
        5_000,
        24_000_000,
        "Microsoft.Network/publicIPAddresses",
    ),
    _meter(
        "egress",
        "Bandwidth",
        "Rtn Preference: MGN",
        "Standard Data Transfer Out",
        "1 GB",
        80_000,
        4_318_265,
        "Microsoft.Network/virtualNetworks",
    ),
    _meter(
        "logs",
        "Log Analytics",
        "",
        "Analytics Logs Data Ingestion",
        "1 GB",
        2_760_000,
        1_274_933,
        "Microsoft.OperationalInsights/workspaces",
    ),
    _meter(
        "bus",
        "Service Bus",
        "Standard",
        "Standard Messaging Operations",
        "1M",
        800_000,
        71_306,
        "Microsoft.ServiceBus/namespaces",
    ),
    _meter("vault", "Key Vault", "", "Operations", "10K", 30_000, 2_417, "Microsoft.KeyVault/vaults"),
)
SPOT_METER = _meter(
    "vm-spot",
    "Virtual Machines",
    "Dsv5 Series",
    "D4s v5 Spot",
    "1 Hour",
    41_400,
    17_204_881,
    "Microsoft.Compute/virtualMachines",
)
RESERVED_METER = _meter(
    "vm-reserved",
    "Virtual Machines",
    "Dsv5 Series",
    "D4s v5 Reserved",
    "1 Hour",
    230_000,
    24_000_000,
    "Microsoft.Compute/virtualMachines",
)
SAVINGS_METER = _meter(
    "vm-savings",
    "Virtual Machines",
    "Esv5 Series",
    "E4s v5",
    "1 Hour",
    304_000,
    20_166_702,
    "Microsoft.Compute/virtualMachines",
)
CREDITED_METER = _meter(
    "vm-credited",
    "Virtual Machines",
    "BS Series",
    "B2s",
    "1 Hour",
    48_000,
    22_380_644,
    "Microsoft.Compute/virtualMachines",
)
MARKETPLACE_METER = Meter(
    key="1core",
    category="Virtual Machine Licenses",
    sub_category="Ferrous Firewall",
    name="Ferrous Firewall - Bring to cloud - 1 Core Hours",
    unit="1 Hour",
    price=20_950,
    day_quantity=23_200_004,
    service="Microsoft.Compute",
    resource_type="virtualMachines",
    publisher_name="Ferrous Networks Ltd",
    publisher_id="21223810",
    product_id="DZH318Z0C2KM",
    sku_id="0002",
    product_name="Ferrous Firewall",
)

COMPANIES = (
    "Northlake Foods",
    "Tamarind Logistics",
    "Hoshizora Print",
    "Alpenrose Hotels",
    "Quarry & Stone Builders",
    "Minato Clinic",
    "Birchwood Dental",
    "Copperleaf Energy",
    "Hoshizora Print",
    "Sandbank Ferries",
    "Redwing Studios",
    "Kaede Textiles",
    "Juniper Law",
    "Osprey Marine",
    "Vellum Publishing",
    "Saltmarsh Brewing",
    "Granite Peak Tours",
    "Lantern Theatre",
    "Bluegum Orchards",
    "Cobalt Ceramics",
)
RESOURCE_GROUPS = ("rg-web-prod", "rg-data-prod", "rg-shared", "RG-Test", "rg-batch")
REGIONS = (("EU West", "westeurope"), ("EU North", "northeurope"), ("JA East", "japaneast"), ("US East", "eastus"))
COST_CENTRES = ("4711", "0815", "0042", "1200")
