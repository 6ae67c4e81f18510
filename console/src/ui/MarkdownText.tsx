import { isValidElement, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import ReactMarkdown from "react-markdown";
import { Link } from "react-router";
import gfm from "remark-gfm";
import { CodeBlock } from "./Code";
import styles from "./Markdown.module.css";

const PLUGINS = [gfm];

interface Props {
  children: string;
  linkTo?: (href: string) => string;
}

export default function MarkdownText({ children, linkTo = (href) => href }: Props) {
  return (
    <div className={styles.text}>
      <ReactMarkdown
        remarkPlugins={PLUGINS}
        components={{
          h1: ({ children: words }) => <h2>{words}</h2>, // a page has one h1, its title
          // No picture of another host: the content security policy would stop it, and it would tell who reads.
          img: ({ alt }) => <span>{alt}</span>,
          pre: ({ children: code }) => <Pre>{code}</Pre>,
          table: ({ children: rows }) => (
            <div className={styles.scroll}>
              <table>{rows}</table>
            </div>
          ),
          th: ({ children: words }) => (words ? <th scope="col">{words}</th> : <td />),
          a: ({ href = "", children: words }) => <Anchor href={linkTo(href)}>{words}</Anchor>,
        }}
      >
        {children}
      </ReactMarkdown>
    </div>
  );
}

function Anchor({ href, children }: { href: string; children: ReactNode }) {
  if (/^\/(?!\/)/.test(href)) return <Link to={href}>{children}</Link>;
  if (href.startsWith("#")) return <a href={href}>{children}</a>;
  return (
    <a href={href} rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

function Pre({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  const code = isValidElement<{ children?: ReactNode }>(children) ? String(children.props.children) : "";
  return <CodeBlock code={code.trimEnd()} label={t("code")} />;
}
