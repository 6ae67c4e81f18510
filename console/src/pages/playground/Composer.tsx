import { ActionIcon, Button, CloseButton, FileButton, Textarea, Tooltip } from "@mantine/core";
import { IconPhoto, IconPlayerStopFilled, IconSend } from "@tabler/icons-react";
import { useState, type ClipboardEvent, type KeyboardEvent } from "react";
import { useTranslation } from "react-i18next";
import { sayFailed } from "@/ui/notices";
import styles from "./Playground.module.css";

const IMAGE_BYTES_MAX = 8 * 1024 * 1024; // of one; providers take up to 5 to 20 MB
const IMAGES_MAX = 8;
const IMAGE_TYPES = "image/png,image/jpeg,image/webp,image/gif";

interface Props {
  isAnswering: boolean;
  isReady: boolean; // there is a model
  onSay: (text: string, images: string[]) => void;
  onStop: () => void;
}

/** Where the next message is written. Enter sends, Shift+Enter begins a line; not while a word is being composed. */
export function Composer({ isAnswering, isReady, onSay, onStop }: Props) {
  const { t } = useTranslation("playground");
  const [text, setText] = useState("");
  const [images, setImages] = useState<string[]>([]);
  const isEmpty = !text.trim() && images.length === 0;
  const say = () => {
    if (isEmpty || isAnswering || !isReady) return;
    onSay(text.trim(), images);
    setText("");
    setImages([]);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    say();
  };
  const add = async (files: File[]) => {
    const pictures = files.filter((file) => IMAGE_TYPES.includes(file.type));
    const large = pictures.find((file) => file.size > IMAGE_BYTES_MAX);
    if (large) return sayFailed(new Error(t("picture_too_large", { name: large.name })));
    const urls = await Promise.all(pictures.map(dataUrlOf));
    setImages((before) => [...before, ...urls].slice(0, IMAGES_MAX));
  };
  const onPaste = (event: ClipboardEvent) => {
    const files = [...event.clipboardData.files];
    if (files.length === 0) return;
    event.preventDefault();
    void add(files);
  };
  return (
    <div className={styles.composer}>
      {images.length > 0 && (
        <div className={styles.pictures}>
          {images.map((url, index) => (
            <span key={index}>
              <img src={url} alt={t("picture", { number: index + 1 })} />
              <CloseButton
                size="xs"
                aria-label={t("remove_picture", { number: index + 1 })}
                onClick={() => setImages(images.filter((_, at) => at !== index))}
              />
            </span>
          ))}
        </div>
      )}
      <Textarea
        aria-label={t("message")}
        placeholder={t("message_hint")}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={onKey}
        onPaste={onPaste}
        autosize
        minRows={2}
        maxRows={12}
        variant="unstyled"
      />
      <div className={styles.sending}>
        <FileButton onChange={(files) => void add(files)} accept={IMAGE_TYPES} multiple>
          {(props) => (
            <Tooltip label={t("add_picture")}>
              <ActionIcon {...props} size="lg" aria-label={t("add_picture")}>
                <IconPhoto size={18} stroke={1.6} aria-hidden />
              </ActionIcon>
            </Tooltip>
          )}
        </FileButton>
        {isAnswering ? (
          <Button variant="default" leftSection={<IconPlayerStopFilled size={14} aria-hidden />} onClick={onStop}>
            {t("stop")}
          </Button>
        ) : (
          <Button leftSection={<IconSend size={15} stroke={1.7} aria-hidden />} onClick={say} disabled={isEmpty || !isReady}>
            {t("send")}
          </Button>
        )}
      </div>
    </div>
  );
}

function dataUrlOf(file: File): Promise<string> {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result as string);
    reader.onerror = () => failed(reader.error ?? new Error(file.name));
    reader.readAsDataURL(file);
  });
}
