<?xml version="1.0" encoding="UTF-8"?>
<!-- The job in XSLT 1.0; the code table lies inside and is reached by a key, the fastest of the ways tried. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:c="urn:example:crm:order:1"
    xmlns:t="urn:example:table" xmlns:x="http://exslt.org/common" xmlns="urn:example:parts:order:1" exclude-result-prefixes="c t x">
  <xsl:output encoding="UTF-8" indent="no"/>
  <t:codes/>
  <xsl:key name="item" match="t:row" use="@from"/>

  <xsl:template name="day">
    <xsl:param name="of"/>
    <xsl:value-of select="concat(substring($of, 1, 4), '-', substring($of, 5, 2), '-', substring($of, 7))"/>
  </xsl:template>

  <xsl:template match="/c:SalesOrder">
    <xsl:variable name="amounts">
      <xsl:for-each select="c:Lines/c:Line"><t:a><xsl:value-of select="format-number(c:Qty * c:Price, '0.00')"/></t:a></xsl:for-each>
    </xsl:variable>
    <xsl:variable name="h" select="c:Header"/>
    <PurchaseOrder>
      <OrderNumber><xsl:value-of select="$h/c:DocNo"/></OrderNumber>
      <OrderDate><xsl:call-template name="day"><xsl:with-param name="of" select="$h/c:DocDate"/></xsl:call-template></OrderDate>
      <Buyer><Code><xsl:value-of select="$h/c:CustomerCode"/></Code><Name><xsl:value-of select="$h/c:CustomerName"/></Name></Buyer>
      <DeliverTo>
        <Contact><xsl:value-of select="$h/c:Contact"/></Contact>
        <Phone><xsl:value-of select="$h/c:Phone"/></Phone>
        <Address><xsl:value-of select="$h/c:ShipTo"/></Address>
      </DeliverTo>
      <Currency><xsl:value-of select="$h/c:Currency"/></Currency>
      <PaymentTerm><xsl:value-of select="$h/c:PayTerm"/></PaymentTerm>
      <Remark><xsl:value-of select="$h/c:Remark"/></Remark>
      <Items><xsl:apply-templates select="c:Lines/c:Line"/></Items>
      <Totals lines="{count(c:Lines/c:Line)}"><Net><xsl:value-of select="format-number(sum(x:node-set($amounts)/t:a), '0.00')"/></Net></Totals>
    </PurchaseOrder>
  </xsl:template>

  <xsl:template match="c:Line">
    <xsl:variable name="code" select="string(c:MaterialCode)"/>
    <Item seq="{@no}">
      <xsl:attribute name="sku">
        <xsl:for-each select="document('')"><xsl:value-of select="key('item', $code)/@to"/></xsl:for-each>
      </xsl:attribute>
      <Description><xsl:value-of select="concat(c:MaterialName, ' ', c:Spec)"/></Description>
      <Quantity uom="{c:Unit}"><xsl:value-of select="c:Qty"/></Quantity>
      <UnitPrice><xsl:value-of select="c:Price"/></UnitPrice>
      <Amount><xsl:value-of select="format-number(c:Qty * c:Price, '0.00')"/></Amount>
      <TaxRate><xsl:value-of select="c:TaxRate"/></TaxRate>
      <DueDate><xsl:call-template name="day"><xsl:with-param name="of" select="c:DeliveryDate"/></xsl:call-template></DueDate>
      <Warehouse><xsl:value-of select="c:Warehouse"/></Warehouse>
      <Note><xsl:value-of select="c:Memo"/></Note>
    </Item>
  </xsl:template>
</xsl:stylesheet>
