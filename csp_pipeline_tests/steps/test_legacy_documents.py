"""D documents from their files to cost: which document a file belongs to, its lines, its proof, and its versions."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.quality import identities
from csp_pipeline_tests.product import rows_of, warehouse_of
from csp_pipeline_tests.steps.inbox_case import InboxCase, recon, usage
from csp_pipeline_tests.steps.legacy_case import AZURE, CHARGE, LICENCE, OFFER, TENANT, header, licence_file, usage_file

LINES = "SELECT * FROM cost.invoice_lines ORDER BY subtotal_amount DESC"
PROOF = "SELECT * FROM cost.invoice_proof ORDER BY invoice_number"


def terms(folder: Path, *contract_lines: str) -> None:
    """One account of the tenant in USD."""
    commercial = folder / "commercial"
    commercial.mkdir(parents=True, exist_ok=True)
    (commercial / "accounts.csv").write_text("account_id,name,currency\nA1,Contoso,USD\n", "utf-8")
    (commercial / "account_tenants.csv").write_text(f"account_id,customer_id\nA1,{TENANT}\n", "utf-8")
    columns = "contract_line_id,account_id,subscription_id,entitlement_id,pricing_model,unit_price,markup_percent,"
    rows = "\n".join(f"{line},USD,2026-08-01" for line in contract_lines)
    (commercial / "contract_lines.csv").write_text(f"{columns}currency,starts_on\n{rows}\n", "utf-8")


def put(folder: Path, **files: str) -> Path:
    """Files in the inbox of a home (`__` stands for the dot in a name)."""
    case = InboxCase.at(folder)
    for name, content in files.items():
        case.put(name.replace("__", "."), content)
    return folder


def test_licences_and_usage_of_one_document_are_proven_to_its_header(tmp_path: Path) -> None:
    terms(tmp_path)
    put(tmp_path, l__csv=licence_file({}), u__csv=usage_file({}), i__json=header("D0300001", "4283.69"))
    with warehouse_of(tmp_path) as con:
        seats, azure = rows_of(con, LINES)
        (proof,) = rows_of(con, PROOF)
        days = con.execute("SELECT count(*), sum(quantity) FROM cost.legacy_usage_days").fetchone()
        identities.read_footers(con, tmp_path / "staging")
        identities.require_all(con)
    assert (seats["invoice_number"], seats["subscription_id"], seats["product_id"]) == ("D0300001", LICENCE, OFFER)
    assert (seats["product_family"], seats["charge_type"], seats["reseller_mpn_id"]) == ("licence", "Cycle fee", "-1")
    assert (seats["margin_amount"], seats["margin_percent"]) == (Decimal("1404.68"), Decimal("25.0001"))
    assert (seats["pec_percent"], seats["fx_rate"], seats["is_in_daily_usage"]) == (0, 1, False)
    assert (azure["product_family"], azure["customer_id"], azure["subscription_id"]) == ("azure_legacy", TENANT, AZURE)
    assert (azure["subtotal_amount"], azure["tax_amount"]) == (Decimal("63.33"), Decimal("6.34"))
    assert days == (30, Decimal(720))
    assert (proof["proof_state"], proof["unexplained_amount"]) == ("proven", 0)
    assert (proof["daily_usage_amount"], proof["not_in_daily_usage_amount"]) == (0, Decimal("4277.35"))


@pytest.mark.parametrize(
    ("licences", "charges", "gap"),
    [
        ({"Amount": "5618.71"}, {}, "0.01"),
        ({}, {"ListPrice": "0.086"}, "0.74"),
    ],
    ids=["amount - discount is not the subtotal", "price x quantity is not the charge"],
)
def test_a_line_that_contradicts_its_own_figures_is_found(
    tmp_path: Path, licences: dict[str, str], charges: dict[str, str], gap: str
) -> None:
    terms(tmp_path)
    files = {"l__csv": licence_file({}, licences), "u__csv": usage_file({}, charges)}
    put(tmp_path, **files, i__json=header("D0300001", "8567.38"))
    with warehouse_of(tmp_path) as con:
        (proof,) = rows_of(con, PROOF)
        (found,) = rows_of(con, "SELECT * FROM cost.unexplained_rows")
    assert (proof["proof_state"], proof["unexplained_amount"]) == ("unproven", Decimal(gap))
    assert (abs(found["amount"]), found["reason"]) == (Decimal(gap), "line_contradicts_its_own_figures")


def test_a_charge_cut_instead_of_rounded_is_bounded(tmp_path: Path) -> None:
    terms(tmp_path)
    cut = {"PretaxCharges": "63.32", "PostTaxTotal": "69.66"}
    put(tmp_path, u__csv=usage_file(cut), i__json=header("D0300001", "69.66"))
    with warehouse_of(tmp_path) as con:
        (proof,) = rows_of(con, PROOF)
    assert (proof["proof_state"], proof["bounded_amount"]) == ("bounded", Decimal("-0.01"))


def test_a_licence_file_without_header_is_a_document_of_its_own_until_the_header_is_there(tmp_path: Path) -> None:
    case = InboxCase.at(tmp_path)
    case.ingest(l__csv=licence_file({}))
    (row,) = case.query("SELECT invoice_number, message FROM meta.file_invoices JOIN meta.files USING (file_sha256)")
    assert row[0] == "LICENCE-USD-2026-08"
    assert "a document of their own, LICENCE-USD-2026-08, until the header is there" in str(row[1])
    case.ingest(i__json=header("D0300009", "4214.02"))
    numbers = "SELECT DISTINCT invoice_number FROM staged_legacy_licence"
    assert case.query(numbers) == [("D0300009",)]


def test_of_two_headers_of_a_month_the_one_with_the_total_is_meant(tmp_path: Path) -> None:
    case = InboxCase.at(tmp_path)
    case.ingest(
        l__csv=licence_file({}), a__json=header("D0300001", "10.00"), b__json=header("D0300002", "4214.02"),
        g__json=header("G0300002", "4214.02"), e__json=header("D0300003", "4214.02", currencyCode="EUR"),
    )  # fmt: skip
    assert case.query("SELECT invoice_number FROM meta.file_invoices WHERE kind = 'legacy_licence'") == [("D0300002",)]


def test_a_later_licence_file_replaces_the_earlier_one(tmp_path: Path) -> None:
    case = InboxCase.at(tmp_path)
    case.ingest(i__json=header("D0300001", "4214.02"), l__csv=licence_file({"Subtotal": "1", "TotalForCustomer": "1"}))
    case.ingest(l2__csv=licence_file({}))
    assert case.query("SELECT subtotal FROM staged_legacy_licence") == [(Decimal("4214.02"),)]


@pytest.mark.long
@given(st.permutations(("h", "l", "u")), st.booleans())
def test_the_order_in_which_files_arrive_changes_nothing(order: tuple[str, ...], at_once: bool) -> None:  # noqa: FBT001
    files = {"h": header("D0300001", "4283.69"), "l": licence_file({}), "u": usage_file({}, days=3)}
    with TemporaryDirectory() as folder:
        case = InboxCase.at(Path(folder))
        for name in order:
            case.put(f"{name}.txt", files[name])
            if not at_once:
                case.ingest()
        case.ingest()
        rows = "SELECT kind, invoice_number, lines_month, total_staged FROM meta.file_invoices WHERE is_current"
        assert sorted(case.query(rows)) == [
            ("invoice_headers", "D0300001", "2026-08", 0),
            ("legacy_licence", "D0300001", "2026-08", Decimal("4214.02")),
            ("legacy_usage", "D0300001", "2026-08", Decimal("69.67")),
        ]


def test_rows_put_aside_make_the_document_incomplete(tmp_path: Path) -> None:
    terms(tmp_path)
    put(tmp_path, l__csv=licence_file({}, {"Subtotal": "much"}), i__json=header("D0300001", "8428.04"))
    with warehouse_of(tmp_path) as con:
        (proof,) = rows_of(con, PROOF)
        identities.read_footers(con, tmp_path / "staging")
        identities.require_all(con)
    assert proof["proof_state"] == "incomplete"


def test_days_of_the_api_count_once_beside_those_of_the_file(tmp_path: Path) -> None:
    terms(tmp_path)
    day = {"invoiceLineItemType": "usage_line_items", "invoiceNumber": "D0300001", "subscriptionId": AZURE}
    day |= {"resourceGuid": "505db374", "consumedQuantity": 24, "usageDate": "2026-08-02T00:00:00", "currency": "USD"}
    put(tmp_path, u__csv=usage_file({}, days=2), d__json=json.dumps({"items": [day]}))
    with warehouse_of(tmp_path) as con:
        found = con.execute("SELECT usage_on, quantity, source_file FROM cost.legacy_usage_days").fetchall()
        totals = con.execute("SELECT sum(subtotal_amount) FROM cost.invoice_lines").fetchone()
    assert [row[2] for row in found] == ["u.csv"]
    assert totals == (Decimal("63.33"),)


@pytest.mark.parametrize(
    "names", ["entitlement", *(pytest.param(names, marks=pytest.mark.long) for names in ("subscription", "link"))]
)
def test_the_customer_s_invoices_go_on_through_the_move_to_the_azure_plan(tmp_path: Path, names: str) -> None:
    """Legacy until 1 September, the plan from the 2nd: each day is charged once, on the same contract line."""
    keys = {"entitlement": f",{AZURE}", "subscription": f"{AZURE},", "link": f"{AZURE},"}
    terms(tmp_path, f"L1,A1,{keys[names]},cost_plus,,10")
    plan = {
        "CustomerId": TENANT, "SubscriptionId": "plan-1", "ProductId": "DZH318Z0BPS6", "ProductName": "Azure plan",
        "Currency": "USD", "Subtotal": "58.00", "Total": "58.00", "PricingCurrency": "USD", "BillableQuantity": "29",
        "ChargeStartDate": "9/1/2026", "ChargeEndDate": "9/30/2026", "ChargeType": "new",
    }  # fmt: skip
    consumed = {
        "CustomerId": TENANT, "SubscriptionId": "plan-1", "EntitlementId": AZURE, "BillingPreTaxTotal": "2",
        "PricingPreTaxTotal": "2", "BillingCurrency": "USD", "Quantity": "1", "ChargeStartDate": "2026-09-01T00:00:00Z",
    }  # fmt: skip
    days = [consumed | {"UsageDate": f"2026-09-{day:02}T00:00:00Z"} for day in range(2, 31)]
    if names == "link":
        days = [day | {"EntitlementId": "renamed"} for day in days]
        link = f"from_subscription_id,to_subscription_id,valid_from,reason,confirmed\n{AZURE},renamed,,moved,true\n"
        (tmp_path / "commercial" / "subscription_links.csv").write_text(link, "utf-8")
    files = {"u__csv": usage_file({"CustomerId": TENANT}), "i__json": header("D0300001", "69.67")}
    put(tmp_path, **files, r__csv=recon(plan), d__csv=usage(*days))
    with warehouse_of(tmp_path) as con:
        charged = con.execute(
            "SELECT billing_month, contract_line_id, service_start_on, net_amount FROM billing.invoice_lines ORDER BY 1"
        ).fetchall()
        rows = con.execute(
            "SELECT service_month, contract_line_id, cost_amount, status FROM reconciliation.revenue_vs_cost ORDER BY 1"
        ).fetchall()
        identities.read_footers(con, tmp_path / "staging")
        identities.require_all(con)
    # 63.33 over 31 days from 2 August: 30 days of August, 1 September is the last
    assert charged == [
        ("2026-08", "L1", date(2026, 8, 1), Decimal("67.42")),
        ("2026-09", "L1", date(2026, 9, 1), Decimal("66.05")),
    ]
    assert rows == [
        ("2026-08", "L1", Decimal("61.2870967742"), "matched"),
        ("2026-09", "L1", Decimal("60.0429032258"), "matched"),
    ]


def test_a_charge_is_the_same_line_from_the_portal_and_from_the_api_and_its_days_are_the_tenants(
    tmp_path: Path,
) -> None:
    """The portal's file names the customer ORDDABCDEF, the API its tenant; the subscription tells the portal's."""
    listed = {"id": AZURE, "offerId": "MS-AZR-0145P", "quantity": 1, "status": "active", "customerId": TENANT}
    listed["creationDate"] = "2020-01-01T00:00:00Z"
    snapshot = json.dumps({"totalCount": 1, "items": [listed]})
    names = {"MPNID": "mpnId", "ResellerMPNID": "tier2MpnId", "OrderID": "orderId"}
    charge = {names.get(name, name[0].lower() + name[1:]): CHARGE[name] for name in CHARGE if name != "CustomerId"}
    item = charge | {
        "chargeStartDate": "2026-08-02T00:00:00",
        "chargeEndDate": "2026-09-01T00:00:00",
        "customerId": TENANT,
        "invoiceLineItemType": "billing_line_items",
    }
    found = []
    for name, content in (("u.csv", usage_file({}, days=3)), ("u.json", json.dumps({"items": [item]}))):
        terms(tmp_path / name)
        put(tmp_path / name, **{name.replace(".", "__"): content}, s__json=snapshot)
        with warehouse_of(tmp_path / name) as con:
            found.append(con.execute("SELECT line_id, customer_id FROM cost.invoice_lines").fetchall())
            days = con.execute("SELECT DISTINCT customer_id FROM cost.legacy_usage_days").fetchall()
            family = con.execute("SELECT product_family FROM partner_center.subscriptions").fetchall()
        assert family == [("azure_legacy",)]
        assert days == ([(TENANT,)] if name == "u.csv" else [])
    assert found[0] == found[1]
    assert [customer for _, customer in found[0]] == [TENANT]


def test_the_move_to_the_azure_plan_leaves_no_gap_in_what_the_customer_pays_for(tmp_path: Path) -> None:
    """August is legacy, October is the Azure plan of the same Azure subscription; the contract line knows its id."""
    terms(tmp_path, f"L1,A1,{AZURE},,cost_plus,,10", "L2,A1,,,cost_plus,,0")
    plan = {
        "CustomerId": TENANT, "SubscriptionId": "plan-1", "ProductId": "DZH318Z0BPS6", "ProductName": "Azure plan",
        "Currency": "USD", "Subtotal": "63.33", "Total": "63.33", "PricingCurrency": "USD",
    }  # fmt: skip
    consumed = {
        "CustomerId": TENANT, "SubscriptionId": "plan-1", "EntitlementId": AZURE, "BillingPreTaxTotal": "63.33",
        "PricingPreTaxTotal": "63.33", "BillingCurrency": "USD",
    }  # fmt: skip
    put(tmp_path, u__csv=usage_file({"CustomerId": TENANT}), r__csv=recon(plan), d__csv=usage(consumed))
    with warehouse_of(tmp_path) as con:
        taken = con.execute(
            "SELECT contract_line_id, sum(subtotal_amount) FROM billing.cost_matches "
            "JOIN cost.invoice_lines USING (line_id) GROUP BY ALL"
        ).fetchall()
        base = con.execute("SELECT sum(base_amount) FROM billing.cost_bases").fetchone()
    assert taken == [("L1", Decimal("126.66"))]
    assert base == (Decimal("126.66"),)


def test_a_voided_legacy_document_is_reversed_from_its_files(tmp_path: Path) -> None:
    terms(tmp_path)
    headers = json.loads(header("D0300001", "4283.69"))
    note = json.loads(header("D0300009", "-4283.69", documentType="void_note", amendsOf="D0300001"))
    headers["items"] += note["items"]
    put(tmp_path, l__csv=licence_file({}), u__csv=usage_file({}), i__json=json.dumps(headers))
    with warehouse_of(tmp_path) as con:
        proofs = rows_of(con, PROOF)
        states = con.execute("SELECT invoice_number, state FROM cost.invoices ORDER BY ALL").fetchall()
        sums = con.execute(
            "SELECT count(*), sum(subtotal_amount), sum(tax_amount), sum(list_amount), sum(margin_amount), "
            "sum(billable_quantity) FROM cost.invoice_lines"
        ).fetchone()
        days = con.execute("SELECT count(*), sum(quantity) FROM cost.legacy_usage_days").fetchone()
        voided = con.execute("SELECT change_kind, difference_amount FROM cost.restatements").fetchall()
        identities.read_footers(con, tmp_path / "staging")
        identities.require_all(con)
    assert states == [("D0300001", "voided"), ("D0300009", "derived")]
    assert sums == (4, 0, 0, 0, 0, 0)
    assert days == (60, 0)
    assert [proof["proof_state"] for proof in proofs] == ["proven", "proven"]
    assert voided == [("void", Decimal("-4277.35"))]
