import { Lexer, type MarkedToken, type Token, type Tokens } from "marked";
import { createElement, Fragment, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { CodeBlock } from "./Code";
import styles from "./Markdown.module.css";

interface Props {
  children: string;
  linkTo?: (href: string) => string;
}

type LinkTo = (href: string) => string;

const HEADING_MIN = 2; // a page has one h1, its title
const HEADING_MAX = 4;
const SAFE = /^(https?:|mailto:|\/(?!\/)|#)/i;
const ENTITIES: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": "\u00a0" };

/** Markdown as React's own elements: no HTML is ever made of it, so none can get in. */
export default function MarkdownText({ children, linkTo = (href) => href }: Props) {
  return <div className={styles.text}>{all(Lexer.lex(children, { gfm: true }), linkTo)}</div>;
}

function all(tokens: Token[] | undefined, linkTo: LinkTo): ReactNode {
  return tokens?.map((token, index) => <Fragment key={index}>{one(token as MarkedToken, linkTo)}</Fragment>);
}

function one(token: MarkedToken, linkTo: LinkTo): ReactNode {
  switch (token.type) {
    case "heading":
      return createElement(`h${Math.min(Math.max(token.depth, HEADING_MIN), HEADING_MAX)}`, null, all(token.tokens, linkTo));
    case "paragraph":
      return <p>{all(token.tokens, linkTo)}</p>;
    case "blockquote":
      return <blockquote>{all(token.tokens, linkTo)}</blockquote>;
    case "list":
      return createElement(token.ordered ? "ol" : "ul", { start: token.start || undefined }, items(token, linkTo));
    case "code":
      return <Block code={token.text} />;
    case "table":
      return <Table token={token} linkTo={linkTo} />;
    case "hr":
      return <hr />;
    case "strong":
      return <strong>{all(token.tokens, linkTo)}</strong>;
    case "em":
      return <em>{all(token.tokens, linkTo)}</em>;
    case "del":
      return <del>{all(token.tokens, linkTo)}</del>;
    case "codespan":
      return <code>{token.text}</code>;
    case "br":
      return <br />;
    case "link":
      return <Anchor href={linkTo(token.href)}>{all(token.tokens, linkTo)}</Anchor>;
    case "image": // another host's picture would tell who reads; the content security policy stops it anyway
    case "escape":
      return token.text;
    case "text":
      return token.tokens ? all(token.tokens, linkTo) : plain(token.text);
    case "html":
      return token.raw; // as text
    default:
      return null;
  }
}

function items(list: Tokens.List, linkTo: LinkTo): ReactNode {
  return list.items.map((item, index) => <li key={index}>{all(item.tokens, linkTo)}</li>);
}

function plain(text: string): string {
  return text.replace(/&(?:amp|lt|gt|quot|#39|nbsp);/g, (entity) => ENTITIES[entity] ?? entity);
}

function Anchor({ href, children }: { href: string; children: ReactNode }) {
  if (!SAFE.test(href)) return children;
  if (href.startsWith("/")) return <Link to={href}>{children}</Link>;
  if (href.startsWith("#")) return <a href={href}>{children}</a>;
  return (
    <a href={href} rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

function Block({ code }: { code: string }) {
  const { t } = useTranslation();
  return <CodeBlock code={code} label={t("code")} />;
}

function Table({ token, linkTo }: { token: Tokens.Table; linkTo: LinkTo }) {
  const hasHead = token.header.some((cell) => cell.text);
  return (
    <div className={styles.scroll} tabIndex={0}>
      <table>
        {hasHead && (
          <thead>
            <tr>
              {token.header.map((cell, index) => (
                <th key={index} scope="col">
                  {all(cell.tokens, linkTo)}
                </th>
              ))}
            </tr>
          </thead>
        )}
        <tbody>
          {token.rows.map((row, number) => (
            <tr key={number}>
              {row.map((cell, index) => (
                <td key={index}>{all(cell.tokens, linkTo)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
