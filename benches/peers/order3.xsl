<?xml version="1.0" encoding="UTF-8"?>
<!-- The job in XSLT 3.0, to XML or to JSON by the parameter; the code table is a static map. -->
<xsl:stylesheet version="3.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:xs="http://www.w3.org/2001/XMLSchema"
    xmlns:f="urn:example:functions" xmlns:map="http://www.w3.org/2005/xpath-functions/map"
    xmlns:array="http://www.w3.org/2005/xpath-functions/array" xmlns="urn:example:parts:order:1"
    xpath-default-namespace="urn:example:crm:order:1" exclude-result-prefixes="#all" expand-text="yes">
  <xsl:output method="METHOD" encoding="UTF-8" indent="no"/>
  <xsl:variable name="item" static="yes" as="map(*)" select="map{CODES}"/>

  <xsl:function name="f:day" as="xs:string">
    <xsl:param name="of"/>
    <xsl:sequence select="concat(substring($of, 1, 4), '-', substring($of, 5, 2), '-', substring($of, 7))"/>
  </xsl:function>
  <xsl:function name="f:amount" as="xs:decimal">
    <xsl:param name="line"/>
    <xsl:sequence select="round(xs:decimal($line/Qty) * xs:decimal($line/Price), 2)"/>
  </xsl:function>
  <xsl:function name="f:money" as="xs:string">
    <xsl:param name="of"/>
    <xsl:sequence select="format-number($of, '0.00')"/>
  </xsl:function>

  <xsl:template match="/SalesOrder" use-when="'METHOD' = 'xml'">
    <xsl:variable name="h" select="Header"/>
    <PurchaseOrder>
      <OrderNumber>{$h/DocNo}</OrderNumber>
      <OrderDate>{f:day($h/DocDate)}</OrderDate>
      <Buyer><Code>{$h/CustomerCode}</Code><Name>{$h/CustomerName}</Name></Buyer>
      <DeliverTo><Contact>{$h/Contact}</Contact><Phone>{$h/Phone}</Phone><Address>{$h/ShipTo}</Address></DeliverTo>
      <Currency>{$h/Currency}</Currency>
      <PaymentTerm>{$h/PayTerm}</PaymentTerm>
      <Remark>{$h/Remark}</Remark>
      <Items>
        <xsl:for-each select="Lines/Line">
          <Item seq="{@no}" sku="{$item(string(MaterialCode))}">
            <Description>{MaterialName} {Spec}</Description>
            <Quantity uom="{Unit}">{Qty}</Quantity>
            <UnitPrice>{Price}</UnitPrice>
            <Amount>{f:money(f:amount(.))}</Amount>
            <TaxRate>{TaxRate}</TaxRate>
            <DueDate>{f:day(DeliveryDate)}</DueDate>
            <Warehouse>{Warehouse}</Warehouse>
            <Note>{Memo}</Note>
          </Item>
        </xsl:for-each>
      </Items>
      <Totals lines="{count(Lines/Line)}"><Net>{f:money(sum(Lines/Line ! f:amount(.)))}</Net></Totals>
    </PurchaseOrder>
  </xsl:template>

  <xsl:template match="/SalesOrder" use-when="'METHOD' = 'json'">
    <xsl:variable name="h" select="Header"/>
    <xsl:sequence select="map{
      'orderNumber': string($h/DocNo), 'orderDate': f:day($h/DocDate),
      'buyer': map{'code': string($h/CustomerCode), 'name': string($h/CustomerName)},
      'deliverTo': map{'contact': string($h/Contact), 'phone': string($h/Phone), 'address': string($h/ShipTo)},
      'currency': string($h/Currency), 'paymentTerm': string($h/PayTerm), 'remark': string($h/Remark),
      'items': array{for $l in Lines/Line return map{
        'seq': xs:integer($l/@no), 'sku': $item(string($l/MaterialCode)), 'description': $l/MaterialName || ' ' || $l/Spec,
        'uom': string($l/Unit), 'quantity': xs:decimal($l/Qty), 'unitPrice': xs:decimal($l/Price), 'amount': f:amount($l),
        'taxRate': xs:decimal($l/TaxRate), 'dueDate': f:day($l/DeliveryDate), 'warehouse': string($l/Warehouse),
        'note': string($l/Memo)}},
      'totals': map{'lines': count(Lines/Line), 'net': sum(Lines/Line ! f:amount(.))}}"/>
  </xsl:template>
</xsl:stylesheet>
