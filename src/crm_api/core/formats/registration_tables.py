"""Which check a country publishes for its tax and registration numbers: data and lookups."""

import re
from collections.abc import Mapping
from typing import Final

# Modules of python-stdnum below `stdnum.`; a number passes when one of them takes it. Countries and
# kinds without an entry publish no check, so any number of theirs is taken.
_EUROPEAN_VAT: Final = {
    "AT": "at.uid",
    "BE": "be.vat",
    "BG": "bg.vat",
    "CY": "cy.vat",
    "CZ": "cz.dic",
    "DE": "de.vat",
    "DK": "dk.cvr",
    "EE": "ee.kmkr",
    "ES": "es.nif",
    "FI": "fi.alv",
    "FR": "fr.tva",
    "GB": "gb.vat",
    "GR": "gr.vat",
    "HR": "hr.oib",
    "HU": "hu.anum",
    "IE": "ie.vat",
    "IT": "it.iva",
    "LT": "lt.pvm",
    "LU": "lu.tva",
    "LV": "lv.pvn",
    "MC": "mc.tva",
    "MT": "mt.vat",
    "NL": "nl.btw",
    "PL": "pl.nip",
    "PT": "pt.nif",
    "RO": "ro.cf",
    "SE": "se.vat",
    "SI": "si.ddv",
    "SK": "sk.dph",
}
# How the number begins on invoices (Directive 2006/112/EC, article 215): the country, but for
# Greece, and for Monaco, which is under French VAT.
_VAT_PREFIX: Final = {"GR": "EL", "MC": "FR"}

_TAX: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "AR": {"cuit": ("ar.cuit",), "vat": ("ar.cuit",), "tin": ("ar.cuit",)},
    "AU": {"abn": ("au.abn",), "gst": ("au.abn",), "tfn": ("au.tfn",), "acn": ("au.acn",)},
    "BR": {"cnpj": ("br.cnpj",), "cpf": ("br.cpf",), "tin": ("br.cnpj", "br.cpf")},
    "CA": {"bn": ("ca.bn",), "gst": ("ca.bn",), "sin": ("ca.sin",)},
    "CH": {"vat": ("ch.vat", "ch.uid"), "uid": ("ch.uid",)},
    "CL": {"rut": ("cl.rut",), "tin": ("cl.rut",), "vat": ("cl.rut",)},
    "CN": {"uscc": ("cn.uscc",), "tin": ("cn.uscc", "cn.ric")},
    "CO": {"nit": ("co.nit",), "tin": ("co.nit",)},
    "DE": {"tin": ("de.idnr",)},
    "EC": {"ruc": ("ec.ruc",), "tin": ("ec.ruc", "ec.ci")},
    "ES": {"nif": ("es.nif",), "cif": ("es.cif",), "tin": ("es.nif",)},
    "FR": {"siren": ("fr.siren",), "siret": ("fr.siret",)},
    "GB": {"utr": ("gb.utr",)},
    "ID": {"npwp": ("id.npwp", "id.nik"), "tin": ("id.npwp", "id.nik")},
    "IL": {"vat": ("il.hp", "il.idnr"), "tin": ("il.hp", "il.idnr")},
    "IN": {"gstin": ("in_.gstin",), "gst": ("in_.gstin",)},
    "IT": {"tin": ("it.codicefiscale", "it.iva")},
    "JP": {"tin": ("jp.cn", "jp.in_"), "cn": ("jp.cn",)},
    "KR": {"brn": ("kr.brn",), "vat": ("kr.brn",)},
    "MX": {"rfc": ("mx.rfc",), "tin": ("mx.rfc",), "vat": ("mx.rfc",)},
    "NO": {"vat": ("no.mva", "no.orgnr"), "mva": ("no.mva",)},
    "NZ": {"ird": ("nz.ird",), "gst": ("nz.ird",), "tin": ("nz.ird",)},
    "PE": {"ruc": ("pe.ruc",), "tin": ("pe.ruc",)},
    "PL": {"nip": ("pl.nip",), "tin": ("pl.nip", "pl.pesel")},
    "PT": {"nif": ("pt.nif",), "tin": ("pt.nif",)},
    "RS": {"pib": ("rs.pib",), "vat": ("rs.pib",)},
    "RU": {"inn": ("ru.inn",), "tin": ("ru.inn",), "vat": ("ru.inn",)},
    "TR": {"vkn": ("tr.vkn",), "tin": ("tr.vkn", "tr.tckimlik")},
    "TW": {"ubn": ("tw.ubn",), "vat": ("tw.ubn",)},
    "US": {"ein": ("us.ein",), "itin": ("us.itin",), "ssn": ("us.ssn",), "tin": ("us.tin",)},
    "UY": {"rut": ("uy.rut",), "tin": ("uy.rut",)},
    "VN": {"mst": ("vn.mst",), "tin": ("vn.mst",)},
    "ZA": {"tin": ("za.tin",)},
}

# Companies registers whose number carries a check digit.
REGISTRATION_CHECKS: Final[Mapping[str, tuple[str, ...]]] = {
    "AU": ("au.acn", "au.abn"),
    "BE": ("be.vat",),
    "BR": ("br.cnpj",),
    "CH": ("ch.uid",),
    "CN": ("cn.uscc",),
    "CZ": ("cz.dic",),
    "DK": ("dk.cvr",),
    "EE": ("ee.registrikood",),
    "ES": ("es.nif",),
    "FI": ("fi.ytunnus",),
    "FR": ("fr.siren", "fr.siret"),
    "IL": ("il.hp",),
    "IS": ("is_.kennitala",),
    "JP": ("jp.cn",),
    "LV": ("lv.pvn",),
    "NO": ("no.orgnr",),
    "PT": ("pt.nif",),
    "RU": ("ru.ogrn",),
    "SE": ("se.orgnr",),
    "SG": ("sg.uen",),
    "SI": ("si.maticna",),
    "TW": ("tw.ubn",),
    "UA": ("ua.edrpou",),
}

# Formats without a check digit, on the number with its separators taken out.
# Uganda Revenue Authority, "Taxpayer Identification Number": a unique ten-digit number.
TAX_FORMATS: Final[Mapping[tuple[str, str], re.Pattern[str]]] = {
    ("UG", "tin"): re.compile(r"[0-9]{10}"),
    ("UG", "vat"): re.compile(r"[0-9]{10}"),
}
# Companies House, "Uniform Resource Identifiers: customer guide", and the prefixes in its published
# company data: eight characters, digits for England and Wales, else two letters of the register;
# registered societies (IP, SP, NP, RS) and some older rolls end in letters.
REGISTRATION_FORMATS: Final[Mapping[str, re.Pattern[str]]] = {
    "GB": re.compile(
        r"[0-9]{8}"
        r"|(?:AC|CE|CS|EN|ES|FC|FE|GE|GN|GS|IC|LP|NA|NC|NF|NI|NL|NO|NV|NZ|OC|OE|PC|R0|RC|SA|SC|SE"
        r"|SF|SG|SI|SL|SO|SR|SZ|ZC)[0-9]{5}[0-9A-Z]"
        r"|(?:IP|NP|OC|RS|SO|SP)[0-9A-Z]{6}"
    ),
}


def tax_checks(country: str, kind: str) -> tuple[str, ...]:
    """The modules that check this kind of number; () where any number is taken."""
    own = _TAX.get(country, {}).get(kind)
    if own is None and kind == "vat" and country in _EUROPEAN_VAT:
        return (_EUROPEAN_VAT[country],)
    return own or ()


def vat_prefix(country: str, kind: str) -> str:
    """What a VAT number of the country begins with; empty where it has no prefix."""
    if kind != "vat" or country not in _EUROPEAN_VAT:
        return ""
    return _VAT_PREFIX.get(country, country)
